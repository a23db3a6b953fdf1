# Rules across modules. Those of one module are next to its variables.

resource "terraform_data" "rules" {
  lifecycle {
    precondition {
      condition     = var.mapping.max_record_age_seconds < var.stream.retention_hours * 3600
      error_message = "mapping.max_record_age_seconds must be shorter than stream.retention_hours: a record that expires in the stream is lost, a discarded one is kept in the bucket."
    }
    precondition {
      condition     = var.stored_margin_seconds >= 10 * var.delivery.buffer_seconds
      error_message = "stored_margin_seconds must be at least ten times delivery.buffer_seconds: a training must find every event older than the margin, and Firehose may retry for a while."
    }
    precondition {
      condition     = local.function_memory >= local.search_memory
      error_message = "search.items and search.rank need a function of ${local.search_memory} MB for two versions in memory, and Lambda's maximum is 10240: raise function.memory_mb, or set search.mode = pgvector."
    }
    precondition {
      condition     = local.api_memory >= local.search_memory
      error_message = "search.items and search.rank need API tasks of ${local.search_memory} MiB for two versions in memory, at most 30720: raise api.memory, or set search.mode = pgvector."
    }
    precondition {
      condition     = var.stream.mode != "PROVISIONED" || var.function.reserved_concurrency == -1 || try(var.function.reserved_concurrency >= var.stream.shards * var.mapping.parallelization, true)
      error_message = "function.reserved_concurrency must be at least stream.shards × mapping.parallelization: otherwise shards wait for each other, and records get late."
    }
  }
}
