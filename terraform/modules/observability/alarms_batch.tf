# Trainings. A failed run is an event (glue.tf).

locals {
  worker_dimensions = { installation = var.name_prefix } # the worker's RECFLOW_INSTALLATION

  batch_alarms = {
    no-promotion = {
      description = "No version has been promoted for too long: refreshes fail, are rejected by a gate, or are not started."
      expression  = "age / 86400"
      metrics     = { age = { namespace = "recflow", name = "live_version_age_seconds", dimensions = local.worker_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.promotion_days
      period      = 3600, datapoints = 3, of = 3
      # The worker writes it every minute, even before the first version: missing data
      # for hours means that the worker is not running.
      missing = "breaching"
    }

    # The rule of glue.tf has no other trace of a message that it could not send.
    event-delivery = {
      description = "The rule ${local.glue_rule} could not send a message about a failed training."
      expression  = "FILL(failed, 0)"
      metrics     = { failed = { namespace = "AWS/Events", name = "FailedInvocations", dimensions = { RuleName = local.glue_rule }, stat = "Sum" } }
      threshold   = 0
      period      = 300, datapoints = 1, of = 3
      missing     = "notBreaching" # no training failed
    }
  }
}
