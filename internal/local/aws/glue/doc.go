// Package glue emulates AWS Glue for the local stack and fault tests. It implements
// Glue's protocol (AWS JSON 1.1 over HTTP) to the unmodified AWS SDK and runs one
// job, the real training script, as a child process.
//
// # Supported
//
// StartJobRun (JobName, Arguments, Timeout), GetJobRun, GetJobRuns (MaxResults 1 to
// 200, NextToken, newest first), BatchStopJobRun (1 to 25 ids, an error per id) and
// GetJob. A JobRun has Id, JobName, JobRunState, Arguments (those of the run,
// without the job's defaults), Attempt (0), StartedOn, LastModifiedOn, CompletedOn,
// ErrorMessage, ExecutionTime (whole seconds), Timeout (minutes, rounded up),
// GlueVersion and LogGroupName.
//
// States are STARTING → RUNNING → SUCCEEDED, FAILED, TIMEOUT, or STOPPING →
// STOPPED. SUCCEEDED needs the job's own exit status 0, read from a file that
// exists only once the job has ended; everything else is FAILED with the reason:
// the last `RECFLOW_ERROR …` line of the output after an error category, as Glue
// writes it before an exception, or the last lines of the output, preceded by
// the signal if one ended the job. A run that ends while it is being stopped is
// STOPPED whatever its status.
//
// The job gets what Glue passes to it: `--JOB_NAME`, `--JOB_RUN_ID` and the job's
// default arguments overridden by the run's, as `--name value`. Instead of a log
// stream it has RECFLOW_JOB_LOG, the path of its output. StartJobRun has no
// idempotency token, as on AWS: sent twice, it starts two runs, unless
// MaxConcurrentRuns forbids the second (ConcurrentRunsExceededException). Runs in
// STARTING, RUNNING and STOPPING count.
//
// Errors carry __type and a message: EntityNotFoundException,
// InvalidInputException, ConcurrentRunsExceededException, SerializationException
// and UnknownOperationException with status 400, InternalServiceException with 500.
//
// # Not supported
//
// Job definitions through the API (CreateJob and the rest), more than one job,
// retries (MaxRetries, the JobRunId parameter: refused), queuing (WAITING),
// capacity and worker types (accepted, ignored), bookmarks, triggers, CloudWatch,
// authentication and signatures, throttling, eventual consistency, and the exact
// wording of messages. Glue keeps runs for 90 days; this emulator keeps the newest
// 500. The error code of stopping a finished run is not documented by AWS; here it
// is InvalidInputException.
//
// # Processes and restarts
//
// Each run has a directory in the state directory: run.json (the record, replaced
// atomically), output.log, pid, exit and lock. The job runs under a short shell
// script, in its own session, that writes its exit status and then kills the rest
// of the group (a JVM, for example). The shell holds the lock until it exits, so an
// endpoint restarted after kill -9 knows without relying on process IDs whether a
// run is still active, adopts it, and reads its status when it ends. On SIGTERM
// (Close) the endpoint stops every run and records it as STOPPED: no process
// remains.
//
// It accepts connections on loopback addresses only and must not be linked into a
// shipped binary other than the local stack's.
package glue
