package pgserver

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// capDACOverride lets a process read and write files regardless of their mode.
const capDACOverride = 1

// unprivileged runs a child process as a user that Postgres accepts: it refuses to
// run as root. For another user it does nothing.
//
// As root, the child enters a user namespace in which root's ID appears as that of
// an ordinary user. Files keep root as their owner, so neither the program nor the
// data directory has to be made accessible to others, and the process has no
// privileges left. Where namespaces are forbidden it becomes that user; it keeps
// the one capability it needs to access the files. See
// docs/decisions/0002-the-local-stack.md.
func unprivileged() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	id := ordinaryUser()
	if namespaces() {
		return inNamespace(id)
	}
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uint32(id), Gid: uint32(id), NoSetGroups: true},
		AmbientCaps: []uintptr{capDACOverride},
	}
}

func inNamespace(id int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: 0, Size: 1}},
	}
}

// namespaces reports whether a user namespace can be created here.
var namespaces = sync.OnceValue(func() bool {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = inNamespace(ordinaryUser())
	return cmd.Run() == nil
})

// ordinaryUser is the ID of a user that exists everywhere and owns nothing: initdb
// looks up the name of its user.
var ordinaryUser = sync.OnceValue(func() int {
	for _, name := range []string{"daemon", "bin"} {
		if u, err := user.Lookup(name); err == nil {
			if id, err := strconv.Atoi(u.Uid); err == nil && id != 0 {
				return id
			}
		}
	}
	return 65534
})

// own gives the data directory to the user that the server runs as.
func own(dir string) error {
	if os.Geteuid() != 0 || namespaces() {
		return nil
	}
	return os.Chown(dir, ordinaryUser(), ordinaryUser())
}
