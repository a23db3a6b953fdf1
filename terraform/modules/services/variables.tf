variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and single hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix)) && !strcontains(var.name_prefix, "--")
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and single hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "architecture" {
  description = "arm64 or x86_64; the images must be built for it."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64 (which `make package` calls amd64)."
  }
}

variable "create_repositories" {
  description = "Create ECR repositories for the three images."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Delete the repositories even if they contain images."
  type        = bool
  default     = false
}

variable "images" {
  description = "Image references, with a tag or a digest. Null: those of the module's repositories, with image_tag."
  type = object({
    worker = string
    api    = string
    admin  = string
  })
  default = null

  validation {
    condition     = var.images == null ? true : alltrue([for uri in values(var.images) : can(regex("^[^ ]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$", uri))])
    error_message = "images must be references with a tag or a digest, such as REGISTRY/recflow/worker@sha256:…"
  }

  validation {
    condition     = var.images != null || (var.create_repositories && var.image_tag != null)
    error_message = "Set images, or create_repositories = true and the image_tag that you push."
  }
}

variable "image_tag" {
  description = "Tag of the images in the module's repositories. Tags are immutable: each release needs a new one."
  type        = string
  default     = null

  validation {
    condition     = var.image_tag == null ? true : can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be an immutable tag, such as a commit or a version; latest is not allowed."
  }
}

variable "running" {
  description = "Whether tasks run. Set false for the first apply; push the images, run the migrations, then set true."
  type        = bool
  default     = true
}

variable "network" {
  description = "Network of the services: outputs of the network module, and its egress."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    public_subnet_ids  = optional(list(string), [])
    egress             = string
    security_group_ids = object({ worker = string, api = string, admin = string, load_balancer = string })
  })

  validation {
    condition     = contains(["nat", "privatelink"], var.network.egress)
    error_message = "network.egress must be nat or privatelink."
  }
}

variable "database" {
  description = "Outputs of the database module. auth is iam, or password with a secret (the plain password) for each user."
  type = object({
    urls                 = object({ owner = string, loader = string, api = string })
    connect_arns         = object({ loader = string, api = string })
    master_secret_arn    = string
    auth                 = optional(string, "iam")
    password_secret_arns = optional(object({ loader = string, api = string }))
  })

  validation {
    condition     = contains(["iam", "password"], var.database.auth)
    error_message = "database.auth must be iam or password."
  }

  validation {
    condition     = (var.database.auth == "password") == (var.database.password_secret_arns != null)
    error_message = "database.password_secret_arns is required with database.auth = \"password\", and only then."
  }

  validation {
    condition     = alltrue([for url in values(var.database.urls) : !can(regex("://[^/@]*:[^/@]*@", url))])
    error_message = "database.urls must not contain a password: it would be in the state file and in the task definition."
  }

  validation {
    condition     = alltrue([for url in values(var.database.urls) : strcontains(url, "sslmode=verify-full")])
    error_message = "database.urls must have sslmode=verify-full."
  }
}

variable "temporal" {
  description = "The Temporal service. Secrets are ARNs in Secrets Manager: an API key, or a client certificate with its key (PEM), not both. tls_ca_secret_arn is the CA of a self-hosted server, if it is not public."
  type = object({
    address             = string
    namespace           = string
    task_queue          = optional(string, "recflow")
    ui                  = optional(string, "")
    tls                 = optional(bool, false)
    api_key_secret_arn  = optional(string)
    tls_cert_secret_arn = optional(string)
    tls_key_secret_arn  = optional(string)
    tls_ca_secret_arn   = optional(string)
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]{1,5}$", var.temporal.address))
    error_message = "temporal.address must be host:port."
  }

  validation {
    condition = alltrue([
      for arn in [var.temporal.api_key_secret_arn, var.temporal.tls_cert_secret_arn, var.temporal.tls_key_secret_arn, var.temporal.tls_ca_secret_arn] :
      arn == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", arn))
    ])
    error_message = "The secrets of temporal must be ARNs of Secrets Manager, never the secrets themselves."
  }

  validation {
    condition     = (var.temporal.tls_cert_secret_arn == null) == (var.temporal.tls_key_secret_arn == null)
    error_message = "temporal.tls_cert_secret_arn and temporal.tls_key_secret_arn must be set together."
  }

  validation {
    condition     = var.temporal.api_key_secret_arn == null || var.temporal.tls_cert_secret_arn == null
    error_message = "Set either an API key or a client certificate for temporal, not both."
  }

  validation {
    condition     = !can(regex("(tmprl\\.cloud|api\\.temporal\\.io):", var.temporal.address)) || var.temporal.api_key_secret_arn != null || var.temporal.tls_cert_secret_arn != null
    error_message = "Temporal Cloud needs temporal.api_key_secret_arn, or temporal.tls_cert_secret_arn and temporal.tls_key_secret_arn."
  }

  validation {
    condition     = !can(regex("(tmprl\\.cloud|api\\.temporal\\.io):", var.temporal.address)) || var.network.egress == "nat"
    error_message = "Temporal Cloud is on the internet: set egress to nat. With privatelink use a self-hosted Temporal inside the VPC."
  }
}

variable "secrets_kms_key_arns" {
  description = "Keys that encrypt the given secrets, if they are neither kms_key_arn nor AWS's default key."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secrets_kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", arn))])
    error_message = "secrets_kms_key_arns must be ARNs of KMS keys."
  }
}

variable "stream" {
  description = "The Kinesis stream to which the API sends events."
  type        = object({ name = string, arn = string })

  validation {
    condition     = can(regex("^arn:[^:]+:kinesis:[^:]+:[0-9]{12}:stream/[^/*]+$", var.stream.arn))
    error_message = "stream.arn must be the ARN of one Kinesis stream."
  }
}

variable "bucket" {
  description = "The bucket of raw/, embeddings/, lists/ and quarantine/."
  type        = object({ name = string, arn = string })

  validation {
    condition     = can(regex("^arn:[^:]+:s3:::[^/*]+$", var.bucket.arn))
    error_message = "bucket.arn must be the ARN of one bucket."
  }
}

variable "glue_job" {
  description = "The training job."
  type        = object({ name = string, arn = string })

  validation {
    condition     = can(regex("^arn:[^:]+:glue:[^:]+:[0-9]{12}:job/[^/*]+$", var.glue_job.arn))
    error_message = "glue_job.arn must be the ARN of one Glue job."
  }
}

variable "outcomes_topic_arn" {
  description = "SNS topic to which the worker publishes the outcome of each refresh. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.outcomes_topic_arn == null ? true : can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:[^:*]+$", var.outcomes_topic_arn))
    error_message = "outcomes_topic_arn must be the ARN of one SNS topic."
  }
}

variable "kms_key_arn" {
  description = "Key of the bucket, the stream, the topic, the repositories, the logs and the master secret."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}

variable "stored_margin_seconds" {
  description = "Maximum delay of a delivery to S3; events stored later are left to the next training."
  type        = number
  default     = 3600

  validation {
    condition     = var.stored_margin_seconds >= 60
    error_message = "stored_margin_seconds must be 60 or more, and longer than Firehose buffers."
  }
}

variable "event_retention_hours" {
  description = "Retention of covered events in Postgres, in hours: longer than the stream can redeliver an event."
  type        = number
  default     = 25

  validation {
    condition     = var.event_retention_hours >= 1
    error_message = "event_retention_hours must be 1 or more, and longer than the retention of the stream."
  }
}

variable "worker" {
  description = "Size and number of workers. memory in MiB; scratch_gib is disk space for downloads in /tmp; drain_seconds is how long running activities get at a deployment; environment is for more settings of internal/config."
  type = object({
    cpu           = optional(number, 1024)
    memory        = optional(number, 4096)
    scratch_gib   = optional(number, 30)
    min           = optional(number, 1)
    max           = optional(number, 4)
    drain_seconds = optional(number, 90)
    environment   = optional(map(string), {})
  })
  default = {}

  validation {
    condition = contains([256, 512, 1024, 2048, 4096], var.worker.cpu) && (
      var.worker.memory == 512 && var.worker.cpu == 256 ||
      var.worker.memory % 1024 == 0 && var.worker.memory >= 2 * var.worker.cpu && var.worker.memory <= min(8 * var.worker.cpu, 30720)
    )
    error_message = "worker.cpu must be 256, 512, 1024, 2048 or 4096, and worker.memory 2 to 8 times as much in whole GiB, 30720 at most (or 512 at 256)."
  }

  validation {
    condition     = var.worker.scratch_gib >= 21 && var.worker.scratch_gib <= 200
    error_message = "worker.scratch_gib must be 21 to 200."
  }

  validation {
    condition     = var.worker.min >= 0 && var.worker.max >= var.worker.min && var.worker.max >= 1
    error_message = "worker.min must not be negative, nor above worker.max, which is 1 or more."
  }

  validation {
    condition     = var.worker.drain_seconds >= 0 && var.worker.drain_seconds <= 110
    error_message = "worker.drain_seconds must be 0 to 110: Fargate kills a task after 120 seconds."
  }

  validation {
    condition     = alltrue([for name in keys(var.worker.environment) : !can(regex("(?i)password|secret|token|api_key|key_data", name))])
    error_message = "worker.environment is in the state file: it must not contain secrets."
  }
}

variable "api" {
  description = "Size and number of API tasks. memory in MiB; requests_per_task is the target of requests per minute and task; drain_seconds is how long requests in progress get at a deployment; environment is for more settings of internal/config."
  type = object({
    cpu               = optional(number, 512)
    memory            = optional(number, 1024)
    min               = optional(number, 2)
    max               = optional(number, 8)
    requests_per_task = optional(number, 6000)
    drain_seconds     = optional(number, 30)
    environment       = optional(map(string), {})
  })
  default = {}

  validation {
    condition = contains([256, 512, 1024, 2048, 4096], var.api.cpu) && (
      var.api.memory == 512 && var.api.cpu == 256 ||
      var.api.memory % 1024 == 0 && var.api.memory >= 2 * var.api.cpu && var.api.memory <= min(8 * var.api.cpu, 30720)
    )
    error_message = "api.cpu must be 256, 512, 1024, 2048 or 4096, and api.memory 2 to 8 times as much in whole GiB, 30720 at most (or 512 at 256)."
  }

  validation {
    condition     = var.api.min >= 0 && var.api.max >= var.api.min && var.api.max >= 1
    error_message = "api.min must not be negative, nor above api.max, which is 1 or more."
  }

  validation {
    condition     = var.api.requests_per_task > 0
    error_message = "api.requests_per_task must be positive."
  }

  validation {
    condition     = var.api.drain_seconds >= 0 && var.api.drain_seconds <= 110
    error_message = "api.drain_seconds must be 0 to 110: Fargate kills a task after 120 seconds."
  }

  validation {
    condition     = alltrue([for name in keys(var.api.environment) : !can(regex("(?i)password|secret|token|api_key|key_data", name))])
    error_message = "api.environment is in the state file: it must not contain secrets."
  }
}

variable "search" {
  description = "Where the API searches: auto, memory or pgvector."
  type        = string
  default     = "auto"
}

variable "certificate_arn" {
  description = "ACM certificate of the load balancer."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:acm:[^:]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "certificate_arn must be the ARN of a certificate in ACM: the API is never served without TLS."
  }
}

variable "api_domain" {
  description = "Host name of the certificate, used by callers of the API. Point it at the load balancer. Null: the load balancer's own name, which the certificate does not cover."
  type        = string
  default     = null

  validation {
    condition     = var.api_domain == null ? true : can(regex("^[a-z0-9.-]+\\.[a-z]+$", var.api_domain))
    error_message = "api_domain must be a host name such as recflow.example.com."
  }
}

variable "api_ingress_cidrs" {
  description = "IPv4 ranges that may reach the API. Empty: none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for c in var.api_ingress_cidrs : can(cidrnetmask(c)) && try(tonumber(split("/", c)[1]) >= 8, false)])
    error_message = "api_ingress_cidrs must be IPv4 ranges of /8 or narrower, such as 10.0.0.0/16: the whole internet is not allowed."
  }
}

variable "internal" {
  description = "Whether the load balancer is reachable inside the VPC only. False puts it into the public subnets; api_ingress_cidrs still applies."
  type        = bool
  default     = true

  validation {
    condition     = var.internal || length(var.network.public_subnet_ids) >= 2
    error_message = "An internet-facing load balancer needs at least two public subnets."
  }
}

variable "deletion_protection" {
  description = "Protect the load balancer, whose DNS name callers use, against deletion."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Retention of logs, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 7, 14, 30, 90 or 365."
  }
}
