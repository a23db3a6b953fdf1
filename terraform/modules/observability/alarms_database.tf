# Postgres. RDS reports every minute: missing data means that the instance is stopped or
# unavailable, which other alarms report; these alarms keep their state.

locals {
  database_dimensions = { DBInstanceIdentifier = var.database_instance_id }

  database_alarms = { for key, alarm in local.database_alarms_of_rds : key => alarm if var.database_instance_id != null }
  database_alarms_of_rds = {
    database-storage = {
      description = "The database is running out of storage."
      expression  = "free / ${1024 * 1024 * 1024}"
      metrics     = { free = { namespace = "AWS/RDS", name = "FreeStorageSpace", dimensions = local.database_dimensions, stat = "Minimum" } }
      threshold   = var.thresholds.database_storage_gib
      below       = true
      period      = 300, datapoints = 2, of = 2
      missing     = "ignore"
    }

    database-connections = {
      description = "The database has many connections open."
      expression  = "connections"
      metrics     = { connections = { namespace = "AWS/RDS", name = "DatabaseConnections", dimensions = local.database_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.database_connections
      period      = 300, datapoints = 3, of = 3
      missing     = "ignore"
    }

    # An index build may use all of it for a while.
    database-cpu = {
      description = "Database CPU usage has been high for a long time."
      expression  = "cpu"
      metrics     = { cpu = { namespace = "AWS/RDS", name = "CPUUtilization", dimensions = local.database_dimensions, stat = "Average" } }
      threshold   = var.thresholds.database_cpu_share
      period      = 300, datapoints = 3, of = 3
      missing     = "ignore"
    }
  }
}
