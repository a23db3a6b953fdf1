variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "bucket" {
  description = "The bucket of raw/, embeddings/ and code/."
  type        = object({ name = string, arn = string })

  validation {
    condition     = can(regex("^arn:[^:]+:s3:::[^/*]+$", var.bucket.arn)) && endswith(var.bucket.arn, ":::${var.bucket.name}")
    error_message = "bucket.arn must be the ARN of the bucket called bucket.name."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the bucket and the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}

variable "script_s3" {
  description = "s3:// address of glue_job.py, under code/ of the bucket."
  type        = string

  validation {
    condition     = startswith(var.script_s3, "s3://${var.bucket.name}/code/") && endswith(var.script_s3, ".py")
    error_message = "script_s3 must be the s3:// address of a .py file under code/ of the bucket: the job may read code from there only."
  }
}

variable "package_s3" {
  description = "s3:// address of recflow-glue.zip, under code/ of the bucket."
  type        = string

  validation {
    condition     = startswith(var.package_s3, "s3://${var.bucket.name}/code/") && endswith(var.package_s3, ".zip")
    error_message = "package_s3 must be the s3:// address of a .zip file under code/ of the bucket: the job may read code from there only."
  }
}

variable "wheels_s3" {
  description = "s3:// addresses of the wheels to install, under code/ of the bucket."
  type        = list(string)

  validation {
    condition     = alltrue([for w in var.wheels_s3 : startswith(w, "s3://${var.bucket.name}/code/") && endswith(w, ".whl")])
    error_message = "wheels_s3 must be s3:// addresses of .whl files under code/ of the bucket: the job may read code from there only, and installs nothing from an index."
  }

  validation {
    condition     = anytrue([for w in var.wheels_s3 : startswith(basename(w), "numba-")])
    error_message = "wheels_s3 must contain numba, which Glue lacks: run `make package`, and pass all of its wheels."
  }
}

variable "workers" {
  description = "Number of workers of a run, including the driver."
  type        = number
  default     = 2

  validation {
    condition     = var.workers >= 2 && var.workers <= 299 && var.workers == floor(var.workers)
    error_message = "workers must be a whole number from 2 to 299."
  }
}

variable "worker_type" {
  description = "Worker type: G.1X (4 vCPUs, 16 GB), G.2X, G.4X or G.8X."
  type        = string
  default     = "G.1X"

  validation {
    condition     = contains(["G.1X", "G.2X", "G.4X", "G.8X"], var.worker_type)
    error_message = "worker_type must be G.1X, G.2X, G.4X or G.8X."
  }
}

variable "timeout_minutes" {
  description = "Timeout of a run, in minutes."
  type        = number
  default     = 120

  validation {
    condition     = var.timeout_minutes >= 5 && var.timeout_minutes <= 10080 && var.timeout_minutes == floor(var.timeout_minutes)
    error_message = "timeout_minutes must be a whole number from 5 to 10080."
  }
}

variable "max_concurrent_runs" {
  description = "Maximum number of concurrent runs, which limits the cost. A backfill starts up to 8 (max_parallel), and waits if the maximum is lower."
  type        = number
  default     = 8

  validation {
    condition     = var.max_concurrent_runs >= 1 && var.max_concurrent_runs <= 50 && var.max_concurrent_runs == floor(var.max_concurrent_runs)
    error_message = "max_concurrent_runs must be a whole number from 1 to 50."
  }
}

variable "log_retention_days" {
  description = "Retention of the runs' logs, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 7, 14, 30, 90 or 365."
  }
}

variable "catalog" {
  description = "Whether to create the tables for Athena."
  type        = bool
  default     = true
}

variable "catalog_first_day" {
  description = "Date of the first object, YYYY-MM-DD: Athena reads no earlier partitions."
  type        = string
  default     = "2025-01-01"

  validation {
    condition     = can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", var.catalog_first_day)) && can(timeadd("${var.catalog_first_day}T00:00:00Z", "0s"))
    error_message = "catalog_first_day must be a date as YYYY-MM-DD."
  }
}
