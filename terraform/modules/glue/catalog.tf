# The tables of docs/athena/*.sql. The tests of this module compare them.
locals {
  formats = {
    json = {
      serde  = "org.openx.data.jsonserde.JsonSerDe"
      input  = "org.apache.hadoop.mapred.TextInputFormat"
      output = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
    }
    parquet = {
      serde  = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      input  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
      output = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    }
  }

  # Partitions are projected from the path: no crawler, no repair.
  partitions = {
    # What Firehose writes.
    hourly = {
      keys = ["dt", "hour"]
      path = "dt=$${dt}/hour=$${hour}/"
      projection = {
        "projection.dt.type"          = "date"
        "projection.dt.format"        = "yyyy-MM-dd"
        "projection.dt.range"         = "${var.catalog_first_day},NOW"
        "projection.dt.interval"      = "1"
        "projection.dt.interval.unit" = "DAYS"
        "projection.hour.type"        = "integer"
        "projection.hour.range"       = "0,23"
        "projection.hour.digits"      = "2"
      }
    }
    # A query must name a run.
    run = {
      keys       = ["run"]
      path       = "run=$${run}/"
      projection = { "projection.run.type" = "injected" }
    }
  }

  tables = {
    events = {
      description = "Events that were accepted"
      folder      = "raw/events"
      format      = "json"
      partitions  = "hourly"
      columns = [
        { name = "event_id", type = "string" },
        { name = "user_id", type = "string" },
        { name = "item_id", type = "string" },
        { name = "event_type", type = "string" },
        { name = "value", type = "double", comment = "stars of a rating, quantity of a purchase; else null" },
        { name = "session_id", type = "string" },
        { name = "recommendation_id", type = "string", comment = "the list that caused it" },
        { name = "occurred_at", type = "string", comment = "RFC 3339, UTC" },
        { name = "stored_at", type = "string", comment = "RFC 3339, UTC; when it was first stored" },
      ]
    }

    lists = {
      description = "Batch lists"
      folder      = "lists"
      format      = "parquet"
      partitions  = "run"
      columns = [
        { name = "user_id", type = "string", comment = "has one row in a run" },
        { name = "recommendation_id", type = "string", comment = "the same state of the same user gives the same id" },
        { name = "version", type = "bigint" },
        { name = "stage", type = "string", comment = "personalized, session or popular" },
        { name = "events_not_folded", type = "bigint", comment = "uncovered events of the user beyond the newest 5000, counted to 1000" },
        { name = "generated_at", type = "timestamp", comment = "UTC; later events are not in the list" },
        { name = "items", type = "array<struct<item_id:string,rank:int,score:double>>", comment = "best first" },
      ]
    }

    quarantine = {
      description = "Records that can never be used"
      folder      = "quarantine"
      format      = "json"
      partitions  = "hourly"
      columns = [
        { name = "quarantine_id", type = "string", comment = "digest of the position in the stream; the same on every retry" },
        { name = "reason", type = "string", comment = "a code" },
        { name = "detail", type = "string", comment = "a sentence; never a part of the record" },
        { name = "event_id", type = "string", comment = "if it could be read" },
        { name = "raw", type = "string", comment = "the bytes, base64; null if raw_key is set" },
        { name = "raw_key", type = "string", comment = "key of the object with bytes too large for a line" },
        { name = "raw_bytes", type = "bigint" },
        { name = "stream", type = "string", comment = "ARN" },
        { name = "shard", type = "string" },
        { name = "sequence_number", type = "string", comment = "exceeds a bigint" },
        { name = "sub_sequence", type = "int", comment = "position within a record of several events" },
        { name = "arrived_at", type = "string", comment = "RFC 3339, UTC" },
        { name = "quarantined_at", type = "string", comment = "RFC 3339, UTC" },
      ]
    }

    recommendations = {
      description = "Lists as they were delivered"
      folder      = "recommendations"
      format      = "json"
      partitions  = "hourly"
      columns = [
        { name = "recommendation_id", type = "string", comment = "the same state of the same user gives the same id" },
        { name = "user_id", type = "string" },
        { name = "version", type = "bigint" },
        { name = "config_hash", type = "string" },
        { name = "stage", type = "string", comment = "personalized, session or popular" },
        { name = "events_not_folded", type = "bigint", comment = "uncovered events of the user beyond the newest 5000, counted to 1000; null: none" },
        { name = "items", type = "array<struct<item_id:string,rank:int,score:double,stage:string>>", comment = "best first" },
        { name = "event_id", type = "string", comment = "the event that triggered the list" },
        { name = "event_occurred_at", type = "string", comment = "RFC 3339, UTC" },
        { name = "created_at", type = "string", comment = "RFC 3339, UTC" },
        { name = "latency_ms", type = "bigint", comment = "from the arrival of the event in the stream to created_at" },
      ]
    }
  }
}

resource "aws_glue_catalog_database" "this" {
  count = var.catalog ? 1 : 0

  name        = replace(var.name_prefix, "-", "_")
  description = "What recflow writes to ${var.bucket.name}"
}

resource "aws_glue_catalog_table" "this" {
  for_each = var.catalog ? local.tables : {}

  name          = each.key
  database_name = aws_glue_catalog_database.this[0].name
  description   = each.value.description
  table_type    = "EXTERNAL_TABLE"

  parameters = merge(local.partitions[each.value.partitions].projection, {
    "EXTERNAL"                  = "TRUE"
    "projection.enabled"        = "true"
    "storage.location.template" = "s3://${var.bucket.name}/${each.value.folder}/${local.partitions[each.value.partitions].path}"
  })

  dynamic "partition_keys" {
    for_each = local.partitions[each.value.partitions].keys

    content {
      name = partition_keys.value
      type = "string"
    }
  }

  storage_descriptor {
    location      = "s3://${var.bucket.name}/${each.value.folder}/"
    input_format  = local.formats[each.value.format].input
    output_format = local.formats[each.value.format].output

    ser_de_info {
      serialization_library = local.formats[each.value.format].serde
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = try(columns.value.comment, null)
      }
    }
  }
}
