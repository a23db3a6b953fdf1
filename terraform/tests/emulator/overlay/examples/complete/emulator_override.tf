# Small, fast and without DNS names of buckets.

provider "aws" {
  s3_use_path_style       = true
  skip_metadata_api_check = true
}

module "recflow" {
  architecture = var.architecture
  stream       = { mode = "PROVISIONED", shards = 2 }
  delivery     = { buffer_seconds = 1, buffer_mib = 5 }
  mapping      = { window_seconds = 0, max_record_age_seconds = 3600 }

  stored_margin_seconds = 60
}
