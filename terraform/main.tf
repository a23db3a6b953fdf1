# recflow in one account and region. This module only composes the modules in modules/.

module "storage" {
  source = "./modules/storage"

  name_prefix          = var.name_prefix
  force_destroy        = !var.protect
  glue_script_path     = "${var.packages}/glue_job.py"
  glue_package_path    = "${var.packages}/recflow-glue.zip"
  glue_wheels_path     = "${var.packages}/wheels"
  noncurrent_days      = var.keep.noncurrent_days
  quarantine_days      = var.keep.quarantine_days
  embeddings_days      = var.keep.embeddings_days
  lists_days           = var.keep.lists_days
  recommendations_days = var.keep.recommendations_days
}

module "network" {
  source = "./modules/network"

  name_prefix        = var.name_prefix
  vpc                = var.vpc
  cidr               = var.network.cidr
  availability_zones = var.network.zones
  egress             = var.network.egress
  nat_per_zone       = var.network.nat_per_zone
  create_endpoints   = var.network.endpoints
  temporal_port      = tonumber(split(":", var.temporal.address)[1])
  temporal_cidrs     = var.network.temporal_cidrs
  log_retention_days = var.keep.log_days
  kms_key_arn        = module.storage.kms_key_arn
}

module "stream" {
  source = "./modules/stream"

  name_prefix     = var.name_prefix
  mode            = var.stream.mode
  shards          = var.stream.shards
  retention_hours = var.stream.retention_hours
  shard_metrics   = var.stream.shard_metrics
  kms_key_arn     = module.storage.kms_key_arn
}

module "firehose" {
  source = "./modules/firehose"

  name_prefix        = var.name_prefix
  bucket_arn         = module.storage.bucket.arn
  bucket_name        = module.storage.bucket.name
  kms_key_arn        = module.storage.kms_key_arn
  buffer_seconds     = var.delivery.buffer_seconds
  buffer_mib         = var.delivery.buffer_mib
  log_retention_days = var.keep.log_days
}

module "database" {
  source = "./modules/database"

  name_prefix         = var.name_prefix
  existing            = var.database.existing
  instance_class      = var.database.instance_class
  storage_gib         = var.database.storage_gib
  max_storage_gib     = var.database.max_storage_gib
  multi_az            = var.database.multi_az
  backup_days         = var.database.backup_days
  engine_version      = var.database.engine_version
  index_build_workers = var.database.index_build_workers
  apply_immediately   = var.database.apply_immediately
  deletion_protection = var.protect
  skip_final_snapshot = !var.protect
  subnet_ids          = module.network.private_subnet_ids
  security_group_id   = module.network.security_group_ids.database
  kms_key_arn         = module.storage.kms_key_arn
  log_retention_days  = var.keep.log_days
}

module "lambda" {
  source = "./modules/lambda"

  name_prefix  = var.name_prefix
  zip_path     = "${var.packages}/recflow-lambda-${var.architecture == "x86_64" ? "amd64" : var.architecture}.zip"
  architecture = var.architecture
  stream_arn   = module.stream.arn
  kms_key_arn  = module.storage.kms_key_arn
  delivery     = { names = module.firehose.names, arns = module.firehose.arns }
  bucket       = module.storage.bucket
  database = {
    url          = module.database.urls.stream
    resource_arn = module.database.connect_arns.stream
  }
  network = {
    subnet_ids        = module.network.private_subnet_ids
    security_group_id = module.network.security_group_ids.lambda
  }
  mapping              = var.mapping
  reserved_concurrency = var.function.reserved_concurrency
  memory_mb            = local.function_memory
  search               = var.search.mode
  timeout_seconds      = var.function.timeout_seconds
  environment          = var.function.environment
  log_retention_days   = var.keep.log_days
}

module "glue" {
  source = "./modules/glue"

  name_prefix         = var.name_prefix
  bucket              = module.storage.bucket
  kms_key_arn         = module.storage.kms_key_arn
  script_s3           = module.storage.glue_script_s3
  package_s3          = module.storage.glue_package_s3
  wheels_s3           = module.storage.glue_wheels_s3
  workers             = var.training.workers
  worker_type         = var.training.worker_type
  timeout_minutes     = var.training.timeout_minutes
  max_concurrent_runs = var.training.max_concurrent_runs
  catalog             = var.catalog.create
  catalog_first_day   = var.catalog.first_day
  log_retention_days  = var.keep.log_days
}

module "services" {
  source = "./modules/services"

  name_prefix  = var.name_prefix
  architecture = var.architecture
  images       = var.images
  image_tag    = var.image_tag
  running      = var.running

  create_repositories = var.images == null
  force_destroy       = !var.protect
  network = {
    vpc_id             = module.network.vpc_id
    private_subnet_ids = module.network.private_subnet_ids
    public_subnet_ids  = module.network.public_subnet_ids
    egress             = var.network.egress
    security_group_ids = module.network.security_group_ids
  }
  database = {
    urls              = module.database.urls
    connect_arns      = module.database.connect_arns
    master_secret_arn = module.database.master_secret_arn
  }
  temporal              = var.temporal
  secrets_kms_key_arns  = var.secrets_kms_key_arns
  stream                = { name = module.stream.name, arn = module.stream.arn }
  bucket                = module.storage.bucket
  glue_job              = { name = module.glue.job_name, arn = module.glue.job_arn }
  outcomes_topic_arn    = module.observability.topic_arn
  kms_key_arn           = module.storage.kms_key_arn
  stored_margin_seconds = var.stored_margin_seconds
  event_retention_hours = var.stream.retention_hours + 1
  worker                = var.worker
  api = {
    cpu               = local.api_cpu
    memory            = local.api_memory
    min               = var.api.min
    max               = var.api.max
    requests_per_task = var.api.requests_per_task
    environment       = var.api.environment
  }
  certificate_arn     = var.api.certificate_arn
  api_domain          = var.api.domain
  api_ingress_cidrs   = var.api.ingress_cidrs
  internal            = var.api.internal
  search              = var.search.mode
  deletion_protection = var.protect
  log_retention_days  = var.keep.log_days
}

# The topic is created here and passed to the worker, so it must not depend on outputs
# of the services: these are used by alarms and the dashboard only.
module "observability" {
  source = "./modules/observability"

  name_prefix              = var.name_prefix
  kms_key_arn              = module.storage.kms_key_arn
  alarm_emails             = var.alarm_emails
  function_name            = module.lambda.function_name
  function_timeout_seconds = var.function.timeout_seconds
  mapping_uuid             = module.lambda.mapping_uuid
  stream_name              = module.stream.name
  firehose_names           = module.firehose.names
  glue_job_name            = module.glue.job_name
  database_instance_id     = module.database.instance_id
  cluster_name             = module.services.cluster_name
  service_names            = { worker = module.services.worker_service, api = module.services.api_service }
  load_balancer_arn_suffix = module.services.load_balancer_arn_suffix
  target_group_arn_suffix  = module.services.target_group_arn_suffix
  stored_margin_seconds    = var.stored_margin_seconds
  thresholds               = var.thresholds
  running                  = var.running
}
