variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen: it is part of a bucket's name."
  }
}

variable "force_destroy" {
  description = "Whether a destroy may delete the bucket with its data. If false, S3 refuses while there is data."
  type        = bool
  default     = false
}

variable "glue_script_path" {
  description = "Path of glue_job.py, from `make package`."
  type        = string

  validation {
    condition     = endswith(var.glue_script_path, ".py") && fileexists(var.glue_script_path)
    error_message = "glue_script_path must be a .py file that exists: run `make package`."
  }
}

variable "glue_package_path" {
  description = "Path of recflow-glue.zip, from `make package`."
  type        = string

  validation {
    condition     = endswith(var.glue_package_path, ".zip") && fileexists(var.glue_package_path)
    error_message = "glue_package_path must be a .zip file that exists: run `make package`."
  }
}

variable "glue_wheels_path" {
  description = "Directory of the wheels that the Glue job installs, from `make package`. All of them are uploaded."
  type        = string

  validation {
    condition     = length(fileset(var.glue_wheels_path, "numba-*.whl")) == 1
    error_message = "glue_wheels_path must be a directory with the wheels of the training job, one of numba among them: run `make package`."
  }
}

variable "noncurrent_days" {
  description = "Days for which a replaced or deleted object can be restored."
  type        = number
  default     = 30

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days == floor(var.noncurrent_days)
    error_message = "noncurrent_days must be a whole number of days, 1 or more."
  }
}

variable "embeddings_days" {
  description = "Retention of the results of trainings (embeddings/), in days. The versions in the database do not need them."
  type        = number
  default     = 90

  validation {
    condition     = var.embeddings_days >= 1 && var.embeddings_days == floor(var.embeddings_days)
    error_message = "embeddings_days must be a whole number of days, 1 or more."
  }
}

variable "quarantine_days" {
  description = "Retention of unprocessable data, in days: quarantine/, quarantine-payloads/, errors/ and aws/lambda/ (discarded batches)."
  type        = number
  default     = 90

  validation {
    condition     = var.quarantine_days >= 1 && var.quarantine_days == floor(var.quarantine_days)
    error_message = "quarantine_days must be a whole number of days, 1 or more."
  }
}

variable "lists_days" {
  description = "Retention of batch lists and of files of users, in days."
  type        = number
  default     = 30

  validation {
    condition     = var.lists_days >= 1 && var.lists_days == floor(var.lists_days)
    error_message = "lists_days must be a whole number of days, 1 or more."
  }
}

variable "recommendations_days" {
  description = "Retention of delivered lists, in days."
  type        = number
  default     = 365

  validation {
    condition     = var.recommendations_days >= 1 && var.recommendations_days == floor(var.recommendations_days)
    error_message = "recommendations_days must be a whole number of days, 1 or more."
  }
}
