# Failed trainings. The job's metrics are not sufficient for this, and missing if it
# never started; the change of its state is an event. A stopped run was cancelled by a
# user: no alarm.

locals {
  glue_rule = "${var.name_prefix}-glue-failures"
}

resource "aws_cloudwatch_event_rule" "glue" {
  name        = local.glue_rule
  description = "A training failed or timed out. Runbook: docs/runbooks/glue-failures.md"
  event_pattern = jsonencode({
    source      = ["aws.glue"]
    detail-type = ["Glue Job State Change"]
    detail      = { jobName = [var.glue_job_name], state = ["FAILED", "ERROR", "TIMEOUT"] }
  })
}

resource "aws_cloudwatch_event_target" "glue" {
  rule      = aws_cloudwatch_event_rule.glue.name
  target_id = "topic"
  arn       = aws_sns_topic.this.arn

  # The event's own message may quote data: it stays in the log of the run.
  input_transformer {
    input_paths = {
      job   = "$.detail.jobName"
      run   = "$.detail.jobRunId"
      state = "$.detail.state"
      time  = "$.time"
    }
    input_template = "\"Run <run> of Glue job <job> ended as <state> at <time>. Runbook: docs/runbooks/glue-failures.md\""
  }
}
