// Package process runs programs that outlive the command that started them: it
// tracks their identity, output, memory and the holders of TCP ports. It is
// independent of what the programs do (internal/local/stack).
package process
