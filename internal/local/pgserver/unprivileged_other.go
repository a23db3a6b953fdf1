//go:build !linux

package pgserver

import "syscall"

// unprivileged does nothing here: run the local stack as an ordinary user.
func unprivileged() *syscall.SysProcAttr { return nil }

func own(string) error { return nil }
