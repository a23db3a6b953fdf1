variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "bucket_arn" {
  description = "ARN of the bucket to deliver to."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:s3:::[^/*]+$", var.bucket_arn))
    error_message = "bucket_arn must be the ARN of a bucket (arn:…:s3:::NAME), without a key."
  }
}

variable "bucket_name" {
  description = "Name of the same bucket."
  type        = string

  validation {
    condition     = endswith(var.bucket_arn, ":::${var.bucket_name}")
    error_message = "bucket_name must be the name in bucket_arn."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the streams, the objects and the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}

variable "buffer_seconds" {
  description = "Maximum time that records are buffered before an object is written. RECFLOW_STORED_MARGIN (1h) must be much longer."
  type        = number
  default     = 60

  validation {
    condition     = var.buffer_seconds >= 0 && var.buffer_seconds <= 900 && var.buffer_seconds == floor(var.buffer_seconds)
    error_message = "buffer_seconds must be a whole number from 0 to 900."
  }
}

variable "buffer_mib" {
  description = "Buffer size, before compression, at which an object is written earlier."
  type        = number
  default     = 64

  validation {
    condition     = var.buffer_mib >= 1 && var.buffer_mib <= 128 && var.buffer_mib == floor(var.buffer_mib)
    error_message = "buffer_mib must be a whole number from 1 to 128."
  }
}

variable "log_retention_days" {
  description = "Retention of messages about failed deliveries, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 7, 14, 30, 90 or 365."
  }
}
