# Corresponds to internal/local/pgserver/settings.go for the local stack.

locals {
  parameters = {
    # An index build sets its own memory (up to 4 GiB); this is for VACUUM and small
    # indexes. In kB.
    "maintenance_work_mem"             = { value = tostring(256 * 1024) }
    "max_parallel_maintenance_workers" = { value = tostring(var.index_build_workers) }
    "max_parallel_workers"             = { value = tostring(max(8, var.index_build_workers)) }
    "max_worker_processes"             = { value = tostring(max(8, var.index_build_workers) + 8), reboot = true }

    # Short queries on fast storage: plans that suit HNSW and b-trees.
    "random_page_cost" = { value = "1.1" }
    "work_mem"         = { value = tostring(16 * 1024) }
    "jit"              = { value = "0" }

    # A load writes large amounts at once.
    "checkpoint_timeout" = { value = "900" }
    "max_wal_size"       = { value = "4096" }

    # Statements and their values may contain user IDs: they are never logged.
    "log_statement"              = { value = "none" }
    "log_min_duration_statement" = { value = "-1" }
    "log_min_error_statement"    = { value = "panic" }
    "log_error_verbosity"        = { value = "terse" }

    "timezone" = { value = "UTC" }
  }
}

resource "aws_db_parameter_group" "this" {
  count = local.new ? 1 : 0

  name_prefix = "${var.name_prefix}-"
  description = "recflow: TLS only, index builds, no statements in the log"
  family      = "postgres16"

  # Connections without TLS are refused. A separate parameter, so that checkov finds it.
  parameter {
    name         = "rds.force_ssl"
    value        = "1"
    apply_method = "immediate"
  }

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = try(parameter.value.reboot, false) ? "pending-reboot" : "immediate"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
