-- Delivered lists. README.md explains the placeholders.
CREATE EXTERNAL TABLE IF NOT EXISTS `DATABASE`.`recommendations` (
  `recommendation_id` string COMMENT 'the same state of the same user gives the same id',
  `user_id` string,
  `version` bigint,
  `config_hash` string,
  `stage` string COMMENT 'personalized, session or popular',
  `events_not_folded` bigint COMMENT 'uncovered events of the user beyond the newest 5000, counted to 1000; null: none',
  `items` array<struct<item_id:string,rank:int,score:double,stage:string>> COMMENT 'best first',
  `event_id` string COMMENT 'the event that triggered the list',
  `event_occurred_at` string COMMENT 'RFC 3339, UTC',
  `created_at` string COMMENT 'RFC 3339, UTC',
  `latency_ms` bigint COMMENT 'from the arrival of the event in the stream to created_at'
)
PARTITIONED BY (
  `dt` string,
  `hour` string
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS
  INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://BUCKET/recommendations/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = 'FIRST-DAY,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'projection.hour.type' = 'integer',
  'projection.hour.range' = '0,23',
  'projection.hour.digits' = '2',
  'storage.location.template' = 's3://BUCKET/recommendations/dt=${dt}/hour=${hour}/'
);
