//go:build !linux

package ecs

import "syscall"

func endsWithUs() *syscall.SysProcAttr { return nil }
