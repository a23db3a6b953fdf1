mock_provider "aws" {
  override_during = plan

  mock_data "aws_rds_engine_version" {
    defaults = { version_actual = "16.14" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "recflow.x.eu-central-1.rds.amazonaws.com"
      resource_id        = "db-ABCDEFGHIJKL"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1" }]
    }
  }
  mock_resource "aws_db_parameter_group" {
    defaults = { name = "recflow-1" }
  }
}

variables {
  name_prefix       = "recflow"
  subnet_ids        = ["subnet-a", "subnet-b"]
  security_group_id = "sg-1"
  kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/1"
}

run "a_new_database_is_private_encrypted_and_protected" {
  command = plan

  assert {
    condition     = !aws_db_instance.this[0].publicly_accessible && aws_db_instance.this[0].vpc_security_group_ids == toset(["sg-1"])
    error_message = "it is reachable through its security group only"
  }
  assert {
    condition     = aws_db_instance.this[0].storage_encrypted && aws_db_instance.this[0].kms_key_id == var.kms_key_arn
    error_message = "its storage is encrypted with the key"
  }
  assert {
    condition     = aws_db_instance.this[0].performance_insights_enabled && aws_db_instance.this[0].performance_insights_kms_key_id == var.kms_key_arn
    error_message = "Performance Insights are on, and encrypted with the key"
  }
  assert {
    condition     = aws_db_instance.this[0].deletion_protection && !aws_db_instance.this[0].skip_final_snapshot
    error_message = "it is protected against deletion, and a snapshot is taken"
  }
  assert {
    condition     = aws_db_instance.this[0].backup_retention_period == 7 && aws_db_instance.this[0].copy_tags_to_snapshot
    error_message = "it is backed up"
  }
  assert {
    condition     = aws_db_instance.this[0].engine_version == "16.14" && data.aws_rds_engine_version.newest[0].version == "16" && data.aws_rds_engine_version.newest[0].latest
    error_message = "it is the newest Postgres 16"
  }
}

run "no_password_is_in_the_state" {
  command = plan

  assert {
    condition     = aws_db_instance.this[0].manage_master_user_password && aws_db_instance.this[0].password == null
    error_message = "the master password is managed by RDS"
  }
  assert {
    condition     = aws_db_instance.this[0].username == "recflow_owner" && aws_db_instance.this[0].master_user_secret_kms_key_id == var.kms_key_arn
    error_message = "the master user owns the schema, and its secret is encrypted with the key"
  }
  assert {
    condition     = aws_db_instance.this[0].iam_database_authentication_enabled
    error_message = "the components authenticate with IAM"
  }
  assert {
    condition     = alltrue([for url in values(output.urls) : !can(regex("://[^/@]*:[^/@]*@", url))])
    error_message = "addresses contain no password"
  }
}

run "a_connection_without_tls_is_refused_and_certificates_are_checked" {
  command = plan

  assert {
    condition     = one([for p in aws_db_parameter_group.this[0].parameter : p.value if p.name == "rds.force_ssl"]) == "1"
    error_message = "the server requires TLS"
  }
  assert {
    condition     = alltrue([for url in values(output.urls) : strcontains(url, "?sslmode=verify-full&sslrootcert=/")])
    error_message = "clients verify the server's certificate and name"
  }
  assert {
    condition = (
      output.urls.stream == "postgres://recflow_stream@recflow.x.eu-central-1.rds.amazonaws.com:5432/recflow?sslmode=verify-full&sslrootcert=/var/task/rds-ca.pem" &&
      output.urls.owner == format(output.url_template, "recflow_owner", "/etc/recflow/rds-ca.pem")
    )
    error_message = "each user's address names the path of its certificates"
  }
}

run "parameters_suit_index_builds_and_keep_statements_out_of_the_log" {
  command = plan

  variables { index_build_workers = 12 }

  assert {
    condition = tomap({
      for p in aws_db_parameter_group.this[0].parameter : p.name => p.value
      if contains(["max_parallel_maintenance_workers", "max_parallel_workers", "max_worker_processes", "maintenance_work_mem"], p.name)
      }) == tomap({
      max_parallel_maintenance_workers = "12", max_parallel_workers = "12", max_worker_processes = "20", maintenance_work_mem = "262144",
    })
    error_message = "an index build gets its workers and its memory"
  }
  assert {
    condition     = toset([for p in aws_db_parameter_group.this[0].parameter : p.name if p.apply_method == "pending-reboot"]) == toset(["max_worker_processes"])
    error_message = "only parameters that need a restart wait for one"
  }
  assert {
    condition = tomap({
      for p in aws_db_parameter_group.this[0].parameter : p.name => p.value if startswith(p.name, "log_")
      }) == tomap({
      log_error_verbosity = "terse", log_min_duration_statement = "-1", log_min_error_statement = "panic", log_statement = "none",
    })
    error_message = "statements, which may contain user IDs, are not logged"
  }
}

run "logs_are_exported_and_expire" {
  command = plan

  assert {
    condition     = aws_db_instance.this[0].enabled_cloudwatch_logs_exports == toset(["postgresql", "upgrade"])
    error_message = "Postgres's log is in CloudWatch"
  }
  assert {
    condition = toset([for group in aws_cloudwatch_log_group.this : group.name]) == toset([
      "/aws/rds/instance/recflow/postgresql", "/aws/rds/instance/recflow/upgrade",
    ])
    error_message = "the groups have the names that RDS uses"
  }
  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30 && group.kms_key_id == var.kms_key_arn])
    error_message = "the groups expire, and are encrypted with the key"
  }
}

run "each_component_signs_in_as_its_own_user" {
  command = plan

  assert {
    condition = output.connect_arns == {
      api     = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/recflow_api"
      auditor = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/recflow_auditor"
      loader  = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/recflow_loader"
      stream  = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-ABCDEFGHIJKL/recflow_stream"
    }
    error_message = "there is a resource of rds-db:connect for each user but the owner"
  }
  assert {
    condition     = output.iam_authentication && output.instance_id == "recflow"
    error_message = "the outputs that other modules need are set"
  }
}

run "a_throw_away_database_leaves_no_snapshot" {
  command = plan

  variables {
    deletion_protection = false
    skip_final_snapshot = true
  }

  assert {
    condition     = !aws_db_instance.this[0].deletion_protection && aws_db_instance.this[0].final_snapshot_identifier == null
    error_message = "it can be deleted"
  }
}

run "a_database_of_your_own_is_used_as_it_is" {
  command = plan

  variables {
    existing = {
      host              = "db.example.com"
      name              = "shop"
      resource_id       = "cluster-ABC123"
      master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner"
    }
    subnet_ids        = []
    security_group_id = null
    kms_key_arn       = null
  }

  assert {
    condition     = length(aws_db_instance.this) + length(aws_db_parameter_group.this) + length(aws_db_subnet_group.this) + length(aws_cloudwatch_log_group.this) == 0
    error_message = "nothing is created"
  }
  assert {
    condition     = output.urls.api == "postgres://recflow_api@db.example.com:5432/shop?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"
    error_message = "addresses are those of the given database"
  }
  assert {
    condition     = output.connect_arns.loader == "arn:aws:rds-db:eu-central-1:123456789012:dbuser:cluster-ABC123/recflow_loader"
    error_message = "IAM names the given database"
  }
  assert {
    condition     = output.master_secret_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" && output.instance_id == null
    error_message = "the migrations use the given secret; without an instance name nothing is monitored"
  }
}

run "a_database_without_iam_has_no_resource_to_connect_to" {
  command = plan

  variables {
    existing = { host = "db.example.com", master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" }
  }

  assert {
    condition     = !output.iam_authentication && alltrue([for arn in values(output.connect_arns) : arn == null])
    error_message = "it reports that users cannot authenticate with IAM"
  }
}

run "rejects_a_name_prefix_in_capitals" {
  command = plan
  variables { name_prefix = "Recflow" }
  expect_failures = [var.name_prefix]
}

run "rejects_a_name_prefix_with_two_hyphens_in_a_row" {
  command = plan
  variables { name_prefix = "rec--flow" }
  expect_failures = [var.name_prefix]
}

run "rejects_a_host_that_is_an_address_with_a_scheme" {
  command = plan
  variables {
    existing = { host = "postgres://db.example.com", master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" }
  }
  expect_failures = [var.existing]
}

run "rejects_a_port_that_does_not_exist" {
  command = plan
  variables {
    existing = { host = "db.example.com", port = 0, master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" }
  }
  expect_failures = [var.existing]
}

run "rejects_a_password_in_the_place_of_a_secrets_arn" {
  command = plan
  variables {
    existing = { host = "db.example.com", master_secret_arn = "hunter2" }
  }
  expect_failures = [var.existing]
}

run "rejects_an_instances_name_in_the_place_of_its_resource_id" {
  command = plan
  variables {
    existing = { host = "db.example.com", resource_id = "recflow", master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner" }
  }
  expect_failures = [var.existing]
}

run "rejects_an_instance_class_without_db" {
  command = plan
  variables { instance_class = "r7g.large" }
  expect_failures = [var.instance_class]
}

run "rejects_too_little_storage" {
  command = plan
  variables { storage_gib = 10 }
  expect_failures = [var.storage_gib]
}

run "rejects_storage_that_cannot_grow" {
  command = plan
  variables {
    storage_gib     = 100
    max_storage_gib = 100
  }
  expect_failures = [var.max_storage_gib]
}

run "rejects_more_storage_than_rds_has" {
  command = plan
  variables { max_storage_gib = 100000 }
  expect_failures = [var.max_storage_gib]
}

run "rejects_no_backups" {
  command = plan
  variables { backup_days = 0 }
  expect_failures = [var.backup_days]
}

run "rejects_another_postgres_than_16" {
  command = plan
  variables { engine_version = "15.8" }
  expect_failures = [var.engine_version]
}

run "rejects_half_a_worker" {
  command = plan
  variables { index_build_workers = 1.5 }
  expect_failures = [var.index_build_workers]
}

run "rejects_a_single_subnet" {
  command = plan
  variables { subnet_ids = ["subnet-a"] }
  expect_failures = [var.subnet_ids]
}

run "rejects_a_database_without_a_security_group" {
  command = plan
  variables { security_group_id = null }
  expect_failures = [var.security_group_id]
}

run "rejects_a_database_without_a_key" {
  command = plan
  variables { kms_key_arn = null }
  expect_failures = [var.kms_key_arn]
}

run "rejects_the_alias_of_a_key" {
  command = plan
  variables { kms_key_arn = "alias/aws/rds" }
  expect_failures = [var.kms_key_arn]
}

run "rejects_a_retention_that_cloudwatch_does_not_know" {
  command = plan
  variables { log_retention_days = 10 }
  expect_failures = [var.log_retention_days]
}
