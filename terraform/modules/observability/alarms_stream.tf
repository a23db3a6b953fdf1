# The path of an event: Kinesis, the function, Firehose.
#
# missing is how to treat missing data. An idle stream has none, so for most alarms it
# is not breaching.

locals {
  function_dimensions = { FunctionName = var.function_name }
  mapping_dimensions  = { EventSourceMappingUUID = var.mapping_uuid }
  stream_dimensions   = { StreamName = var.stream_name }
  own_dimensions      = { Function = var.function_name }
  delivery_dimensions = { for area, name in var.firehose_names : area => { DeliveryStreamName = name } }

  stream_alarms = {
    iterator-age = {
      description = "Stream records are waiting for the function."
      expression  = "age / 1000"
      metrics     = { age = { namespace = "AWS/Lambda", name = "IteratorAge", dimensions = local.function_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.iterator_age_seconds
      period      = 60, datapoints = 5, of = 5
      missing     = "notBreaching" # no records, nothing waits
    }

    # The other alarms of the function have no data if nothing invokes it.
    stream-unread = {
      description = "Events arrive in the stream, and the function is not invoked."
      expression  = "IF(FILL(incoming, 0) > 0 AND FILL(calls, 0) == 0, 1, 0)"
      metrics = {
        incoming = { namespace = "AWS/Kinesis", name = "IncomingRecords", dimensions = local.stream_dimensions, stat = "Sum" }
        calls    = { namespace = "AWS/Lambda", name = "Invocations", dimensions = local.function_dimensions, stat = "Sum" }
      }
      threshold = 0
      period    = 300, datapoints = 3, of = 3
      missing   = "notBreaching" # nothing arrives
    }

    lambda-errors = {
      description = "Invocations of the function fail."
      expression  = "IF(FILL(calls, 0) > 0, 100 * FILL(errors, 0) / calls, 0)"
      metrics = {
        errors = { namespace = "AWS/Lambda", name = "Errors", dimensions = local.function_dimensions, stat = "Sum" }
        calls  = { namespace = "AWS/Lambda", name = "Invocations", dimensions = local.function_dimensions, stat = "Sum" }
      }
      threshold = var.thresholds.lambda_error_share
      period    = 300, datapoints = 2, of = 3
      missing   = "notBreaching" # not called, not failed
    }

    lambda-throttles = {
      description = "The function is throttled at its reserved concurrency."
      expression  = "throttles"
      metrics     = { throttles = { namespace = "AWS/Lambda", name = "Throttles", dimensions = local.function_dimensions, stat = "Sum" } }
      threshold   = 0
      period      = 300, datapoints = 2, of = 3
      missing     = "notBreaching" # not called, not throttled
    }

    lambda-duration = {
      description = "Batches take almost as long as the function's timeout, and are then only partially processed."
      expression  = "100 * duration / ${var.function_timeout_seconds * 1000}"
      metrics     = { duration = { namespace = "AWS/Lambda", name = "Duration", dimensions = local.function_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.lambda_duration_share
      period      = 300, datapoints = 3, of = 5
      missing     = "notBreaching" # not called
    }

    # The number of objects in S3 is a daily metric. The mapping counts discarded
    # batches within the minute if it has metrics_config.
    failure-destination = {
      description = "Batches were discarded: they are in the failure destination in S3, or were dropped."
      expression  = "FILL(delivered, 0) + FILL(dropped, 0)"
      metrics = {
        delivered = { namespace = "AWS/Lambda", name = "OnFailureDestinationDeliveredEventCount", dimensions = local.mapping_dimensions, stat = "Sum" }
        dropped   = { namespace = "AWS/Lambda", name = "DroppedEventCount", dimensions = local.mapping_dimensions, stat = "Sum" }
      }
      threshold = 0
      period    = 300, datapoints = 1, of = 3 # data points may be late
      missing   = "notBreaching"              # nothing was discarded
    }

    firehose-freshness = {
      description = "Deliveries to S3 are late: beyond the stored margin a training misses events and is rejected."
      expression  = "MAX([${join(", ", [for area in keys(var.firehose_names) : "FILL(${area}, 0)"])}])"
      metrics = {
        for area, dimensions in local.delivery_dimensions :
        area => { namespace = "AWS/Firehose", name = "DeliveryToS3.DataFreshness", dimensions = dimensions, stat = "Maximum" }
      }
      threshold = var.stored_margin_seconds * var.thresholds.firehose_margin_share / 100
      period    = 300, datapoints = 2, of = 3
      missing   = "notBreaching" # nothing to deliver
    }

    # Throttled on input, or rejected by S3 on output: for each attempt to write,
    # Success is 1 or 0.
    firehose-failed = {
      description = "Delivery streams throttle records, or fail to write them to S3."
      expression  = "${join(" + ", [for area in keys(var.firehose_names) : "FILL(throttled_${area}, 0) + FILL(writes_${area}, 0) - FILL(written_${area}, 0)"])}"
      metrics = merge([
        for area, dimensions in local.delivery_dimensions : {
          "throttled_${area}" = { namespace = "AWS/Firehose", name = "ThrottledRecords", dimensions = dimensions, stat = "Sum" }
          "writes_${area}"    = { namespace = "AWS/Firehose", name = "DeliveryToS3.Success", dimensions = dimensions, stat = "SampleCount" }
          "written_${area}"   = { namespace = "AWS/Firehose", name = "DeliveryToS3.Success", dimensions = dimensions, stat = "Sum" }
        }
      ]...)
      threshold = 0
      period    = 300, datapoints = 2, of = 3
      missing   = "notBreaching" # nothing to deliver
    }

    kinesis-throttles = {
      description = "The stream has too little capacity: writes or reads are throttled."
      expression  = "FILL(written, 0) + FILL(read, 0)"
      metrics = {
        written = { namespace = "AWS/Kinesis", name = "WriteProvisionedThroughputExceeded", dimensions = local.stream_dimensions, stat = "Sum" }
        read    = { namespace = "AWS/Kinesis", name = "ReadProvisionedThroughputExceeded", dimensions = local.stream_dimensions, stat = "Sum" }
      }
      threshold = 0
      period    = 60, datapoints = 3, of = 5 # single throttled records are retried
      missing   = "notBreaching"             # nothing is put
    }

    popular-share = {
      description = "Many lists contain only popular items: the users are unknown, or their events name items that the live version does not have."
      expression  = "IF(personalized + session + popular >= ${var.thresholds.popular_least_of_lists}, 100 * popular / (personalized + session + popular), 0)"
      metrics = {
        for stage in ["Personalized", "Session", "Popular"] :
        lower(stage) => { namespace = "recflow", name = "Lists${stage}", dimensions = local.own_dimensions, stat = "Sum" }
      }
      threshold = var.thresholds.popular_share
      period    = 3600, datapoints = 2, of = 2
      missing   = "notBreaching" # no lists
    }
  }
}
