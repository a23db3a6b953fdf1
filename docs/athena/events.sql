-- Accepted events. README.md explains the placeholders.
CREATE EXTERNAL TABLE IF NOT EXISTS `DATABASE`.`events` (
  `event_id` string,
  `user_id` string,
  `item_id` string,
  `event_type` string,
  `value` double COMMENT 'stars of a rating, quantity of a purchase; else null',
  `session_id` string,
  `recommendation_id` string COMMENT 'the list that caused it',
  `occurred_at` string COMMENT 'RFC 3339, UTC',
  `stored_at` string COMMENT 'RFC 3339, UTC; when it was first stored'
)
PARTITIONED BY (
  `dt` string,
  `hour` string
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS
  INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://BUCKET/raw/events/'
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
  'storage.location.template' = 's3://BUCKET/raw/events/dt=${dt}/hour=${hour}/'
);
