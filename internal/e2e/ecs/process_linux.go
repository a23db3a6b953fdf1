package ecs

import "syscall"

// endsWithUs has the kernel end a process when this one is gone, however it went.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
