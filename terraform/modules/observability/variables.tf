variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and single hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix)) && !strcontains(var.name_prefix, "--")
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and single hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "kms_key_arn" {
  description = "Key of the topic. Its policy lets cloudwatch.amazonaws.com and events.amazonaws.com of this account use it."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias: alarms cannot use AWS's default key."
  }
}

variable "alarm_emails" {
  description = "Email addresses that receive alarms and refresh outcomes. Each address must confirm its subscription."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "alarm_emails must be email addresses."
  }
}

variable "function_name" {
  description = "The Lambda function."
  type        = string
}

variable "function_timeout_seconds" {
  description = "Timeout of the function."
  type        = number
  default     = 60

  validation {
    condition     = var.function_timeout_seconds >= 1 && var.function_timeout_seconds <= 900
    error_message = "function_timeout_seconds must be 1 to 900."
  }
}

variable "mapping_uuid" {
  description = "The event source mapping. It must report EventCount (metrics_config), which the alarm on its failure destination uses."
  type        = string
}

variable "stream_name" {
  description = "The Kinesis stream."
  type        = string
}

variable "firehose_names" {
  description = "The delivery streams."
  type        = object({ recommendations = string, events = string, quarantine = string })
}

variable "glue_job_name" {
  description = "The training job."
  type        = string
}

variable "database_instance_id" {
  description = "The RDS instance. Null for an existing database that is monitored elsewhere; must be known before the apply."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "The ECS cluster."
  type        = string
}

variable "service_names" {
  description = "The ECS services."
  type        = object({ worker = string, api = string })
}

variable "load_balancer_arn_suffix" {
  description = "The load balancer's metric dimension."
  type        = string
}

variable "target_group_arn_suffix" {
  description = "The API target group's metric dimension."
  type        = string
}

variable "stored_margin_seconds" {
  description = "Maximum delay of a delivery to S3, the same as the worker's. A training misses an event that arrives later, and the gate coverage then rejects it."
  type        = number
  default     = 3600

  validation {
    condition     = var.stored_margin_seconds >= 60
    error_message = "stored_margin_seconds must be 60 or more."
  }
}

variable "running" {
  description = "Whether worker and API run. Until they do, alarms for which missing data is a failure send nothing."
  type        = bool
  default     = true
}

variable "thresholds" {
  description = "Alarm thresholds. Shares are in percent."
  type = object({
    iterator_age_seconds   = optional(number, 120) # age of waiting records
    lambda_error_share     = optional(number, 5)   # of invocations, over 5 minutes
    lambda_duration_share  = optional(number, 80)  # of the timeout
    firehose_margin_share  = optional(number, 50)  # of the stored margin
    database_storage_gib   = optional(number, 10)  # left
    database_connections   = optional(number, 150) # open
    database_cpu_share     = optional(number, 85)  # for 15 minutes
    api_error_share        = optional(number, 1)   # of requests, over 5 minutes
    api_latency_seconds    = optional(number, 1)   # 95th percentile
    api_least_requests     = optional(number, 60)  # in 5 minutes; below it shares are not significant
    promotion_days         = optional(number, 7)   # without a promotion
    popular_share          = optional(number, 50)  # of the stream's lists, over an hour
    popular_least_of_lists = optional(number, 100) # in an hour; below it the share is not significant
  })
  default = {}

  validation {
    condition     = alltrue([for name, value in var.thresholds : value > 0])
    error_message = "Every threshold must be positive."
  }

  validation {
    condition     = alltrue([for name, value in var.thresholds : value <= 100 if endswith(name, "_share")])
    error_message = "A threshold that is a share must be 100 at most."
  }

  validation {
    condition     = var.thresholds.firehose_margin_share < 100
    error_message = "thresholds.firehose_margin_share must be below 100: at the margin the alarm would be too late."
  }
}
