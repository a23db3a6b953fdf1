// Package process runs programs that outlive the command that started them, and
// finds them again: their identity, their output, their memory, and who holds a
// TCP port. It knows nothing of what the programs are for (internal/local/stack).
package process
