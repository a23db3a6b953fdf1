-- Records that can never be processed. README.md explains the placeholders.
CREATE EXTERNAL TABLE IF NOT EXISTS `DATABASE`.`quarantine` (
  `quarantine_id` string COMMENT 'digest of the position in the stream; the same on every retry',
  `reason` string COMMENT 'a code',
  `detail` string COMMENT 'a sentence; never a part of the record',
  `event_id` string COMMENT 'if it could be read',
  `raw` string COMMENT 'the bytes, base64; null if raw_key is set',
  `raw_key` string COMMENT 'key of the object with bytes too large for a line',
  `raw_bytes` bigint,
  `stream` string COMMENT 'ARN',
  `shard` string,
  `sequence_number` string COMMENT 'exceeds a bigint',
  `sub_sequence` int COMMENT 'position within a record of several events',
  `arrived_at` string COMMENT 'RFC 3339, UTC',
  `quarantined_at` string COMMENT 'RFC 3339, UTC'
)
PARTITIONED BY (
  `dt` string,
  `hour` string
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS
  INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
  OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://BUCKET/quarantine/'
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
  'storage.location.template' = 's3://BUCKET/quarantine/dt=${dt}/hour=${hour}/'
);
