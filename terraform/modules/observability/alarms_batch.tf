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
  }
}
