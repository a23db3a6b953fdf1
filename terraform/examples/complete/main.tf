# A complete recflow installation. Copy this directory, choose a backend for the state,
# and apply.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "recflow", installation = var.name_prefix }
  }
}

module "recflow" {
  source = "../.."

  name_prefix  = var.name_prefix
  packages     = var.packages
  image_tag    = var.image_tag
  running      = var.running
  temporal     = var.temporal
  alarm_emails = var.alarm_emails
  protect      = var.protect

  api = {
    certificate_arn = var.certificate_arn
    domain          = var.api_domain
    ingress_cidrs   = var.api_ingress_cidrs
    internal        = var.api_internal
  }
}
