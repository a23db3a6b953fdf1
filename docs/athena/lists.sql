-- Batch lists. README.md explains the placeholders.
CREATE EXTERNAL TABLE IF NOT EXISTS `DATABASE`.`lists` (
  `user_id` string COMMENT 'has one row in a run',
  `recommendation_id` string COMMENT 'the same state of the same user gives the same id',
  `version` bigint,
  `stage` string COMMENT 'personalized, session or popular',
  `events_not_folded` bigint COMMENT 'uncovered events of the user beyond the newest 5000, counted to 1000',
  `generated_at` timestamp COMMENT 'UTC; later events are not in the list',
  `items` array<struct<item_id:string,rank:int,score:double>> COMMENT 'best first'
)
PARTITIONED BY (
  `run` string
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS
  INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'
LOCATION 's3://BUCKET/lists/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/lists/run=${run}/'
);
