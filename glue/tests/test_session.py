"""What the job says of Spark's failures."""

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as f

from recflow_glue.session import SparkFailed


def it_says_what_failed_first(spark, tmp_path):
    rows = spark.range(3).select(f.expr("raise_error('a bad row')").cast("string").alias("x"))
    with pytest.raises(Py4JJavaError) as caught:
        rows.write.parquet(str(tmp_path / "rows"))
    assert len(str(caught.value)) > 1000
    assert str(SparkFailed(caught.value)) == "java.lang.RuntimeException: a bad row"


def it_says_the_last_line_of_a_traceback(spark):
    with pytest.raises(Py4JJavaError) as caught:
        spark.sparkContext.parallelize([1, 0]).map(lambda x: 1 // x).collect()
    assert str(SparkFailed(caught.value)) == "ZeroDivisionError: integer division or modulo by zero"
