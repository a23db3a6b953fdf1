# The way of an event: Kinesis, the function, Firehose.
#
# missing is what no data means. An idle stream has none, so for most it is fine.

locals {
  function_dimensions = { FunctionName = var.function_name }
  mapping_dimensions  = { EventSourceMappingUUID = var.mapping_uuid }
  stream_dimensions   = { StreamName = var.stream_name }
  own_dimensions      = { Function = var.function_name }
  delivery_dimensions = { for area, name in var.firehose_names : area => { DeliveryStreamName = name } }

  stream_alarms = {
    iterator-age = {
      description = "Records of the stream wait for the function."
      expression  = "age / 1000"
      metrics     = { age = { namespace = "AWS/Lambda", name = "IteratorAge", dimensions = local.function_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.iterator_age_seconds
      period      = 60, datapoints = 5, of = 5
      missing     = "notBreaching" # no records, nothing waits
    }

    lambda-errors = {
      description = "The function fails."
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
      description = "The function is called more often than its reserved concurrency lets it."
      expression  = "throttles"
      metrics     = { throttles = { namespace = "AWS/Lambda", name = "Throttles", dimensions = local.function_dimensions, stat = "Sum" } }
      threshold   = 0
      period      = 300, datapoints = 2, of = 3
      missing     = "notBreaching" # not called, not throttled
    }

    lambda-duration = {
      description = "Batches come close to the function's timeout, and are then done in parts."
      expression  = "100 * duration / ${var.function_timeout_seconds * 1000}"
      metrics     = { duration = { namespace = "AWS/Lambda", name = "Duration", dimensions = local.function_dimensions, stat = "Maximum" } }
      threshold   = var.thresholds.lambda_duration_share
      period      = 300, datapoints = 3, of = 5
      missing     = "notBreaching" # not called
    }

    # The number of objects in S3 is a metric of the day. The mapping counts what
    # it gave up, when it has metrics_config, within the minute.
    failure-destination = {
      description = "Batches were given up: they lie in the failure destination in S3, or were dropped."
      expression  = "FILL(delivered, 0) + FILL(dropped, 0)"
      metrics = {
        delivered = { namespace = "AWS/Lambda", name = "OnFailureDestinationDeliveredEventCount", dimensions = local.mapping_dimensions, stat = "Sum" }
        dropped   = { namespace = "AWS/Lambda", name = "DroppedEventCount", dimensions = local.mapping_dimensions, stat = "Sum" }
      }
      threshold = 0
      period    = 300, datapoints = 1, of = 1
      missing   = "notBreaching" # nothing was given up
    }

    firehose-freshness = {
      description = "Deliveries to S3 are late: past the stored margin a training misses events, and is refused."
      expression  = "MAX([${join(", ", [for area in keys(var.firehose_names) : "FILL(${area}, 0)"])}])"
      metrics = {
        for area, dimensions in local.delivery_dimensions :
        area => { namespace = "AWS/Firehose", name = "DeliveryToS3.DataFreshness", dimensions = dimensions, stat = "Maximum" }
      }
      threshold = var.stored_margin_seconds * var.thresholds.firehose_margin_share / 100
      period    = 300, datapoints = 2, of = 3
      missing   = "notBreaching" # nothing to deliver
    }

    # Throttled on the way in, or refused by S3 on the way out: of each attempt to
    # write, Success is 1 or 0.
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
      description = "The stream is too narrow: records are refused, or are read too slowly."
      expression  = "FILL(written, 0) + FILL(read, 0)"
      metrics = {
        written = { namespace = "AWS/Kinesis", name = "WriteProvisionedThroughputExceeded", dimensions = local.stream_dimensions, stat = "Sum" }
        read    = { namespace = "AWS/Kinesis", name = "ReadProvisionedThroughputExceeded", dimensions = local.stream_dimensions, stat = "Sum" }
      }
      threshold = 0
      period    = 60, datapoints = 3, of = 5 # single ones are sent again and harm nobody
      missing   = "notBreaching"             # nothing is put
    }

    popular-share = {
      description = "Many lists hold only what is popular: the users are not known, or their events name items that the live version lacks."
      expression  = "IF(personalised + session + popular >= ${var.thresholds.popular_least_of_lists}, 100 * popular / (personalised + session + popular), 0)"
      metrics = {
        for stage in ["Personalised", "Session", "Popular"] :
        lower(stage) => { namespace = "recflow", name = "Lists${stage}", dimensions = local.own_dimensions, stat = "Sum" }
      }
      threshold = var.thresholds.popular_share
      period    = 3600, datapoints = 2, of = 2
      missing   = "notBreaching" # no lists
    }
  }
}
