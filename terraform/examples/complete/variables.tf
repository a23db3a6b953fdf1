variable "region" {
  description = "AWS region."
  type        = string
}

variable "name_prefix" {
  description = "Prefix of all resource names."
  type        = string
  default     = "recflow"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 22 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "packages" {
  description = "Directory of the packages: dist/ of `make package`."
  type        = string
  default     = "../../../dist"
}

variable "image_tag" {
  description = "Tag of the images in the repositories created here. Tags are immutable: each release needs a new one. Null: set images."
  type        = string
  default     = null
}

variable "running" {
  description = "Whether the worker and the API run. Set false for the first apply; push the images, run the migrations, then set true."
  type        = bool
  default     = true
}

variable "temporal" {
  description = "The Temporal service: Temporal Cloud by API key or by certificate, or your own. Secrets are ARNs in Secrets Manager, never the secrets themselves."
  type = object({
    address             = string
    namespace           = optional(string, "default")
    task_queue          = optional(string, "recflow")
    ui                  = optional(string, "")
    tls                 = optional(bool, false)
    api_key_secret_arn  = optional(string)
    tls_cert_secret_arn = optional(string)
    tls_key_secret_arn  = optional(string)
    tls_ca_secret_arn   = optional(string)
  })
}

variable "certificate_arn" {
  description = "ACM certificate of the API."
  type        = string
}

variable "api_domain" {
  description = "Host name of the certificate. Point it at the load balancer. Null: the load balancer's own name, which the certificate does not cover."
  type        = string
  default     = null
}

variable "api_ingress_cidrs" {
  description = "IPv4 ranges that may reach the API."
  type        = list(string)
}

variable "api_internal" {
  description = "Keep the API inside the VPC. False puts its load balancer into the public subnets; api_ingress_cidrs still applies."
  type        = bool
  default     = true
}

variable "alarm_emails" {
  description = "Email addresses that receive alarms and refresh outcomes. Each address must confirm its subscription."
  type        = list(string)
  default     = []
}

variable "protect" {
  description = "Protect the bucket's data, the database and the load balancer against terraform destroy. Set it to false, and apply, before you destroy."
  type        = bool
  default     = true
}
