# Trainings. A run that fails is an event (glue.tf).

locals {
  worker_dimensions = { installation = var.name_prefix } # the worker's RECFLOW_INSTALLATION

  batch_alarms = {
    no-promotion = {
      description = "No version has gone live for long: refreshes fail, are refused by a gate, or are not started."
      expression  = "age / 86400"
      metrics     = { age = { namespace = "recflow", name = "live_version_age_seconds", dimensions = local.worker_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.promotion_days
      period      = 3600, datapoints = 3, of = 3
      # The worker writes it every minute, before the first version too: silence for
      # hours is a worker that does not run.
      missing = "breaching"
    }
  }
}
