// Package lambda stands in for the Lambda service on a laptop and in fault tests:
// it runs the unmodified bootstrap of a function and serves it the Runtime API.
//
// # What it imitates
//
// The Runtime API of 2018-06-01 (invocation/next, response, error, init/error)
// with the headers Lambda-Runtime-Aws-Request-Id, -Deadline-Ms,
// -Invoked-Function-Arn and -Trace-Id. An execution environment is a process that
// handles one invocation at a time and stays warm; environments are made on
// demand, up to a limit, above which an invocation waits. An environment has 10
// seconds to initialise. Past its time-out an invocation's process group is
// killed, and the next invocation gets a new one; the same when the process ends
// by itself, with what it leaves behind. Requests and responses are at most 6 MB.
// The process sees the variables that Lambda sets and those of the function, and
// nothing else of this process's environment. What it prints goes to the log line
// by line, between START, END and REPORT lines; the REPORT of the first invocation
// of an environment has its Init Duration, the cold start.
//
// Function errors have errorType and errorMessage as Lambda gives them: Unhandled
// for an error that the function returns, a time-out (Sandbox.Timedout) or a
// process that ends (Runtime.ExitError).
//
// # What it leaves out
//
// Freezing between invocations, the memory limit and the share of a processor
// that goes with it, read-only file systems and /tmp, layers, extensions,
// response streaming, asynchronous invocation, versions, signatures and X-Ray.
// Lambda retires environments after some hours; here they live until the host is
// closed.
//
// It listens on loopback addresses only and must not be linked into a shipped
// binary other than the local stack's.
package lambda
