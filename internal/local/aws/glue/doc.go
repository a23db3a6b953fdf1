// Package glue stands in for AWS Glue on a laptop and in fault tests. It speaks
// Glue's protocol (AWS JSON 1.1 over HTTP) to the unmodified AWS SDK and runs one
// job, the real training script, as a child process.
//
// # What it imitates
//
// StartJobRun (JobName, Arguments, Timeout), GetJobRun, GetJobRuns (MaxResults 1
// to 200, NextToken, newest first), BatchStopJobRun (1 to 25 ids, an error per id)
// and GetJob. A JobRun has Id, JobName, JobRunState, Arguments (those of the run,
// without the job's defaults), Attempt (0), StartedOn, LastModifiedOn, CompletedOn,
// ErrorMessage, ExecutionTime (whole seconds), Timeout (minutes, rounded up),
// GlueVersion and LogGroupName.
//
// States are STARTING → RUNNING → SUCCEEDED, FAILED, TIMEOUT, or STOPPING →
// STOPPED. SUCCEEDED needs the job's own exit status 0, read from a file that
// exists only once the job has ended; everything else is FAILED with the reason:
// the last `RECFLOW_ERROR …` line of the output, else its last lines, after the
// signal when one ended the job. A run that ends while it is being stopped is
// STOPPED whatever its status.
//
// The job sees what Glue gives it: `--JOB_NAME`, `--JOB_RUN_ID` and the job's
// default arguments overridden by the run's, as `--name value`. In place of a log
// stream it has RECFLOW_JOB_LOG, the path of its output. StartJobRun has
// no idempotency token, as on AWS: sent twice, it starts two runs, unless
// MaxConcurrentRuns forbids the second (ConcurrentRunsExceededException). Runs in
// STARTING, RUNNING and STOPPING count.
//
// Errors carry __type and a message: EntityNotFoundException,
// InvalidInputException, ConcurrentRunsExceededException, SerializationException
// and UnknownOperationException with status 400, InternalServiceException with 500.
//
// # What it leaves out
//
// Job definitions through the API (CreateJob and the rest), other jobs than the
// one, retries (MaxRetries, the JobRunId parameter: refused), queuing (WAITING),
// capacity and worker types (accepted, ignored), bookmarks, triggers, CloudWatch,
// authentication and signatures, throttling, eventual consistency, and the exact
// wording of messages. Glue keeps runs for 90 days, this keeps the newest 500. The
// error code of stopping a run that is over is not documented by AWS; here it is
// InvalidInputException.
//
// # Processes and restarts
//
// Each run has a folder in the state folder: run.json (the record, replaced
// atomically), output.log, pid, exit and lock. The job runs under a few lines of
// shell, in a session of its own, that write its exit status and then kill what
// is left of the group (a JVM, for example). That shell holds the lock for as
// long as it lives, so an endpoint that comes back after kill -9 knows without
// guessing at process ids whether a run still goes on, takes it up again, and
// reads its status when it ends. On SIGTERM (Close) the endpoint stops every run
// and records it STOPPED: nothing is left running.
//
// It accepts connections on loopback addresses only and must not be linked into
// a shipped binary other than the local stack's.
package glue
