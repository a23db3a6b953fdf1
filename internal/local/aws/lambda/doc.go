// Package lambda emulates the Lambda service for the local stack and fault tests:
// it runs the unmodified bootstrap of a function and serves it the Runtime API.
//
// # Supported
//
// The Runtime API of 2018-06-01 (invocation/next, response, error, init/error) with
// the headers Lambda-Runtime-Aws-Request-Id, -Deadline-Ms, -Invoked-Function-Arn
// and -Trace-Id. An execution environment is a process that handles one invocation
// at a time and stays warm; environments are created on demand up to a limit, above
// which an invocation waits. An environment has 10 seconds to initialize. At its
// timeout an invocation's process group is killed, and the next invocation gets a
// new one; likewise when the process exits by itself. Requests and responses are at
// most 6 MB. The process has the variables that Lambda sets and those of the
// function, and no others from this process's environment. Its output goes to the
// log line by line, between START, END and REPORT lines; the REPORT of the first
// invocation of an environment has its Init Duration, the cold start.
//
// Function errors have errorType and errorMessage as Lambda sets them: Unhandled
// for an error that the function returns, a timeout (Sandbox.Timedout) or a process
// that ends (Runtime.ExitError).
//
// # Not supported
//
// Freezing between invocations, the memory limit and the share of a processor that
// goes with it, read-only file systems and /tmp, layers, extensions, response
// streaming, asynchronous invocation, versions, signatures and X-Ray. Lambda
// retires environments after some hours; here they live until the host is closed.
//
// It listens on loopback addresses only and must not be linked into a shipped
// binary other than the local stack's.
package lambda
