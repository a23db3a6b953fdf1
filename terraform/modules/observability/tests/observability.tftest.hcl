mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:recflow-alarms" }
  }
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:123456789012:rule/recflow-glue-failures" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:x" }
  }
}

variables {
  name_prefix              = "recflow"
  kms_key_arn              = "arn:aws:kms:eu-central-1:123456789012:key/1"
  alarm_emails             = ["ops@example.com"]
  function_name            = "recflow-stream"
  function_timeout_seconds = 60
  mapping_uuid             = "11111111-2222-3333-4444-555555555555"
  stream_name              = "recflow-events"
  firehose_names           = { recommendations = "recflow-recommendations", events = "recflow-raw-events", quarantine = "recflow-quarantine" }
  glue_job_name            = "recflow-train"
  database_instance_id     = "recflow"
  cluster_name             = "recflow"
  service_names            = { worker = "recflow-worker", api = "recflow-api" }
  load_balancer_arn_suffix = "app/recflow-api/1"
  target_group_arn_suffix  = "targetgroup/recflow-api/2"
}

run "there_is_an_alarm_for_each_key_and_a_runbook_for_each_alarm" {
  command = plan

  assert {
    condition = sort(keys(merge(output.alarm_names, output.rule_names))) == tolist([
      "api-errors", "api-latency", "database-connections", "database-cpu", "database-storage", "event-delivery", "failure-destination",
      "firehose-failed", "firehose-freshness", "glue-failures", "iterator-age", "kinesis-throttles", "lambda-duration",
      "lambda-errors", "lambda-throttles", "no-promotion", "popular-share", "stream-unread",
    ])
    error_message = "the keys are those of docs/runbooks"
  }
  assert {
    condition     = alltrue([for key, name in merge(output.alarm_names, output.rule_names) : name == "recflow-${key}"])
    error_message = "an alarm is called after its key"
  }
  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : endswith(alarm.alarm_description, " Runbook: docs/runbooks/${key}.md")])
    error_message = "an alarm names its runbook"
  }
  assert {
    condition     = strcontains(aws_cloudwatch_event_target.glue.input_transformer[0].input_template, "docs/runbooks/glue-failures.md")
    error_message = "the message about a training names its runbook"
  }
}

run "every_alarm_tells_the_topic_and_says_what_no_data_means" {
  command = plan

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset([output.topic_arn]) && alarm.ok_actions == toset([output.topic_arn])
    ])
    error_message = "alarms notify the topic, also when they end"
  }
  assert {
    condition     = toset([for key, alarm in aws_cloudwatch_metric_alarm.this : key if alarm.treat_missing_data == "breaching"]) == toset(["no-promotion"])
    error_message = "only missing data of the worker raises an alarm"
  }
  assert {
    condition     = toset([for key, alarm in aws_cloudwatch_metric_alarm.this : key if alarm.treat_missing_data == "ignore"]) == toset(["database-storage", "database-connections", "database-cpu"])
    error_message = "the database's alarms keep their state while data is missing"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : contains(["breaching", "ignore", "notBreaching"], alarm.treat_missing_data)])
    error_message = "the other alarms treat missing data as not breaching"
  }
}

run "is_silent_about_a_worker_that_was_never_started" {
  command = plan

  variables {
    running = false
  }

  assert {
    condition     = toset([for key, alarm in aws_cloudwatch_metric_alarm.this : key if !alarm.actions_enabled]) == toset(["no-promotion"])
    error_message = "an alarm rings before the first start, or one is silent that has data"
  }
}

run "a_stream_that_is_not_read_is_noticed" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["stream-unread"].threshold == 0
      && toset([for q in aws_cloudwatch_metric_alarm.this["stream-unread"].metric_query : one(q.metric[*].metric_name) if !q.return_data]) == toset(["IncomingRecords", "Invocations"])
      && alltrue([for q in aws_cloudwatch_metric_alarm.this["event-delivery"].metric_query : one(q.metric[*].dimensions)["RuleName"] == "recflow-glue-failures" if !q.return_data])
    )
    error_message = "the alarms compare other metrics"
  }
}

run "an_alarm_is_one_expression_over_ten_metrics_at_most" {
  command = plan

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      length([for q in alarm.metric_query : q if q.return_data]) == 1 && length(alarm.metric_query) <= 11
    ])
    error_message = "CloudWatch accepts no more"
  }
  assert {
    condition = alltrue(flatten([
      for alarm in aws_cloudwatch_metric_alarm.this : [
        for q in alarm.metric_query : strcontains(one([for v in alarm.metric_query : v.expression if v.return_data]), q.id) if !q.return_data
      ]
    ]))
    error_message = "a metric that is read is used"
  }
  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.datapoints_to_alarm <= alarm.evaluation_periods && alltrue([for q in alarm.metric_query : alarm.evaluation_periods * one(q.metric[*].period) <= 86400 if !q.return_data])
    ])
    error_message = "an alarm looks back a day at most"
  }
}

run "the_stream_is_watched_from_kinesis_to_s3" {
  command = plan

  variables {
    stored_margin_seconds    = 7200
    function_timeout_seconds = 120
  }

  assert {
    condition = toset([for q in aws_cloudwatch_metric_alarm.this["failure-destination"].metric_query : "${one(q.metric[*].metric_name)} ${one(q.metric[*].dimensions)["EventSourceMappingUUID"]}" if !q.return_data]) == toset([
      "DroppedEventCount 11111111-2222-3333-4444-555555555555", "OnFailureDestinationDeliveredEventCount 11111111-2222-3333-4444-555555555555",
    ])
    error_message = "the mapping counts discarded batches"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["firehose-freshness"].threshold == 3600
    error_message = "late is half of the stored margin"
  }
  assert {
    condition = toset([for q in aws_cloudwatch_metric_alarm.this["firehose-freshness"].metric_query : one(q.metric[*].dimensions)["DeliveryStreamName"] if !q.return_data]) == toset([
      "recflow-recommendations", "recflow-raw-events", "recflow-quarantine",
    ])
    error_message = "all three deliveries are watched"
  }
  assert {
    condition     = one([for q in aws_cloudwatch_metric_alarm.this["firehose-freshness"].metric_query : q.expression if q.return_data]) == "MAX([FILL(events, 0), FILL(quarantine, 0), FILL(recommendations, 0)])"
    error_message = "the latest of them counts"
  }
  assert {
    condition     = one([for q in aws_cloudwatch_metric_alarm.this["lambda-duration"].metric_query : q.expression if q.return_data]) == "100 * duration / 120000"
    error_message = "a batch's duration is compared with the timeout"
  }
  assert {
    condition = toset([for q in aws_cloudwatch_metric_alarm.this["popular-share"].metric_query : "${one(q.metric[*].namespace)} ${one(q.metric[*].metric_name)} ${one(q.metric[*].dimensions)["Function"]}" if !q.return_data]) == toset([
      "recflow ListsPersonalized recflow-stream", "recflow ListsSession recflow-stream", "recflow ListsPopular recflow-stream",
    ])
    error_message = "the lists are those that lambda/metrics.go counts"
  }
}

run "the_batch_side_is_watched_by_its_events_and_the_age_of_the_live_version" {
  command = plan

  variables {
    name_prefix = "shop"
    thresholds  = { promotion_days = 3 }
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.glue.event_pattern) == {
      source      = ["aws.glue"]
      detail-type = ["Glue Job State Change"]
      detail      = { jobName = ["recflow-train"], state = ["FAILED", "ERROR", "TIMEOUT"] }
    }
    error_message = "a failed or timed-out run notifies the topic, a stopped one does not"
  }
  assert {
    condition     = aws_cloudwatch_event_target.glue.arn == output.topic_arn && !contains(values(aws_cloudwatch_event_target.glue.input_transformer[0].input_paths), "$.detail.message")
    error_message = "the topic gets a message without the run's output"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["no-promotion"].threshold == 3
    error_message = "the age is in days"
  }
  assert {
    condition     = [for q in aws_cloudwatch_metric_alarm.this["no-promotion"].metric_query : "${one(q.metric[*].namespace)} ${one(q.metric[*].metric_name)}" if !q.return_data] == ["recflow live_version_age_seconds"]
    error_message = "the worker writes the age"
  }
  assert {
    condition     = [for q in aws_cloudwatch_metric_alarm.this["no-promotion"].metric_query : one(q.metric[*].dimensions) if !q.return_data] == [tomap({ installation = "shop" })]
    error_message = "the age is that of this installation"
  }
  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "[\"recflow\",\"live_version_age_seconds\",\"installation\",\"shop\",")
    error_message = "the dashboard shows the age of this installation"
  }
}

run "the_database_is_watched" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["database-storage"].comparison_operator == "LessThanThreshold" &&
      alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : alarm.comparison_operator == "GreaterThanThreshold" if key != "database-storage"])
    )
    error_message = "storage is what is left, the others are what is used"
  }
  assert {
    condition     = one(flatten([for q in aws_cloudwatch_metric_alarm.this["database-cpu"].metric_query : [for m in q.metric : m.dimensions["DBInstanceIdentifier"]]])) == "recflow"
    error_message = "the alarm is for this instance"
  }
}

run "a_database_that_is_watched_elsewhere_has_no_alarms" {
  command = plan

  variables { database_instance_id = null }

  assert {
    condition     = length([for key in keys(aws_cloudwatch_metric_alarm.this) : key if startswith(key, "database-")]) == 0 && length(aws_cloudwatch_metric_alarm.this) == 14
    error_message = "the others stay"
  }
  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "AWS/RDS")
    error_message = "the dashboard excludes it"
  }
}

run "the_dashboard_shows_stream_batch_and_database" {
  command = plan

  assert {
    condition = alltrue([
      for name in [
        "recflow-events", "recflow-stream", "recflow-raw-events", "recflow-recommendations", "recflow-quarantine",
        "recflow-worker", "recflow-api", "app/recflow-api/1", "live_version_age_seconds", "ListsPopular", "recflow-glue-failures", "AWS/RDS",
      ] : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${name}\"")
    ])
    error_message = "the dashboard has every part"
  }
  assert {
    condition = alltrue([
      for w in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : w.x + w.width <= 24 && w.properties.region == "eu-central-1" if w.type == "metric"
    ])
    error_message = "a graph fits the page and names its region"
  }
  assert {
    condition     = output.dashboard_url == "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#dashboards/dashboard/recflow"
    error_message = "its URL is valid"
  }
}

run "only_our_alarms_and_our_rule_publish_and_only_by_tls" {
  command = plan

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.kms_key_arn
    error_message = "the topic is encrypted with the key"
  }
  assert {
    condition = tomap({
      for s in data.aws_iam_policy_document.topic.statement : s.sid => one(one(s.principals[*].identifiers)) if s.effect != "Deny"
    }) == tomap({ AlarmsOfThisAccount = "cloudwatch.amazonaws.com", FailedTrainings = "events.amazonaws.com" })
    error_message = "alarms and the rule may publish"
  }
  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.topic.statement :
      one(s.condition[*].variable) == "aws:SourceArn" && alltrue([for arn in one(s.condition[*].values) : strcontains(arn, ":123456789012:")]) if s.sid == "AlarmsOfThisAccount"
    ])
    error_message = "only this account's alarms may publish"
  }
  assert {
    condition     = [for s in data.aws_iam_policy_document.topic.statement : length(s.condition) if s.sid == "FailedTrainings"] == [0]
    error_message = "EventBridge publishes to no topic whose policy has a condition"
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.topic.statement :
      s.effect == "Deny" && one(s.condition[*].variable) == "aws:SecureTransport" && try(one(one(s.condition[*].values)), "") == "false"
    ])
    error_message = "publishing requires TLS"
  }
  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.topic.statement : s.actions == toset(["sns:Publish"]) && s.resources == toset([output.topic_arn])])
    error_message = "actions and resources are listed one by one"
  }
}

run "mail_goes_to_the_given_addresses" {
  command = plan

  variables { alarm_emails = ["ops@example.com", "data@example.com"] }

  assert {
    condition     = toset([for s in aws_sns_topic_subscription.email : "${s.protocol} ${s.endpoint}"]) == toset(["email ops@example.com", "email data@example.com"])
    error_message = "each address gets a subscription"
  }
}

run "rejects_a_name_prefix_with_an_underscore" {
  command = plan
  variables { name_prefix = "rec_flow" }
  expect_failures = [var.name_prefix]
}

run "rejects_a_name_prefix_with_two_hyphens_in_a_row" {
  command = plan
  variables { name_prefix = "rec--flow" }
  expect_failures = [var.name_prefix]
}

run "rejects_awss_own_key_which_alarms_cannot_use" {
  command = plan
  variables { kms_key_arn = "alias/aws/sns" }
  expect_failures = [var.kms_key_arn]
}

run "rejects_an_address_that_is_none" {
  command = plan
  variables { alarm_emails = ["ops"] }
  expect_failures = [var.alarm_emails]
}

run "rejects_a_timeout_that_lambda_does_not_have" {
  command = plan
  variables { function_timeout_seconds = 1000 }
  expect_failures = [var.function_timeout_seconds]
}

run "rejects_a_margin_of_seconds" {
  command = plan
  variables { stored_margin_seconds = 5 }
  expect_failures = [var.stored_margin_seconds]
}

run "rejects_a_threshold_of_nothing" {
  command = plan
  variables { thresholds = { iterator_age_seconds = 0 } }
  expect_failures = [var.thresholds]
}

run "rejects_a_share_above_all" {
  command = plan
  variables { thresholds = { database_cpu_share = 101 } }
  expect_failures = [var.thresholds]
}

run "rejects_deliveries_that_are_late_only_when_it_is_too_late" {
  command = plan
  variables { thresholds = { firehose_margin_share = 100 } }
  expect_failures = [var.thresholds]
}
