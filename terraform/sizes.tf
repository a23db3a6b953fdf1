# Memory for the search in memory.

locals {
  # As search.MaxBytes in internal/search: the vectors, their codes, and texts.
  bytes_an_item = 4 * var.search.rank + 56 + max(32 * ceil(var.search.rank / 32), floor(var.search.rank * 8 / 3)) + 200

  # MiB of a process for two versions, which may use 60 % of its memory
  # (RECFLOW_SEARCH_MEMORY): the live one, and the one before or the next one.
  search_memory = var.search.mode == "pgvector" ? 0 : ceil(2 * coalesce(var.search.items, 0) * local.bytes_an_item / 0.6 / 1048576)

  # At most what AWS offers; a rule rejects catalogs that need more.
  function_memory = coalesce(var.function.memory_mb, min(10240, max(512, local.search_memory)))
  api_memory      = coalesce(var.api.memory, min(30720, max(1024, 1024 * ceil(local.search_memory / 1024))))
  # The smallest that Fargate combines with this memory.
  api_cpu = coalesce(var.api.cpu, concat([for cpu in [512, 1024, 2048, 4096] : cpu if local.api_memory <= 8 * cpu], [4096])[0])
}
