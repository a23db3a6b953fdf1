# Alarms on the API as its callers see it.

locals {
  balancer_dimensions = { LoadBalancer = var.load_balancer_arn_suffix }
  target_dimensions   = { LoadBalancer = var.load_balancer_arn_suffix, TargetGroup = var.target_group_arn_suffix }

  api_alarms = {
    api-errors = {
      description = "Requests fail with 5xx, from the API or because no task responds."
      expression  = "IF(FILL(requests, 0) > 0, 100 * (FILL(answered, 0) + FILL(unanswered, 0)) / requests, 0)"
      metrics = {
        answered   = { namespace = "AWS/ApplicationELB", name = "HTTPCode_Target_5XX_Count", dimensions = local.target_dimensions, stat = "Sum" }
        unanswered = { namespace = "AWS/ApplicationELB", name = "HTTPCode_ELB_5XX_Count", dimensions = local.balancer_dimensions, stat = "Sum" }
        requests   = { namespace = "AWS/ApplicationELB", name = "RequestCount", dimensions = local.balancer_dimensions, stat = "Sum" }
      }
      threshold = var.thresholds.api_error_share
      period    = 300, datapoints = 2, of = 3
      missing   = "notBreaching" # no requests
    }

    # GET /backfill/{id}?wait takes up to a minute by design. When most requests are of
    # this kind the percentile is meaningless: hence the minimum number of requests.
    api-latency = {
      description = "API latency is high."
      expression  = "IF(FILL(requests, 0) >= ${var.thresholds.api_least_requests}, latency, 0)"
      metrics = {
        latency  = { namespace = "AWS/ApplicationELB", name = "TargetResponseTime", dimensions = local.target_dimensions, stat = "p95" }
        requests = { namespace = "AWS/ApplicationELB", name = "RequestCount", dimensions = local.target_dimensions, stat = "Sum" }
      }
      threshold = var.thresholds.api_latency_seconds
      period    = 300, datapoints = 3, of = 3
      missing   = "notBreaching" # no requests
    }
  }
}
