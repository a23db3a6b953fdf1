package ecs

import "syscall"

// endsWithUs makes the kernel kill a process when this one exits for any reason.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
