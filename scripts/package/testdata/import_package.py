"""Imports the training job from the zip alone, in the driver and in a worker of Spark."""

import sys

from pyspark.sql import SparkSession


def where(_):
    import recflow_glue.foldin

    return recflow_glue.foldin.__file__


spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.addPyFile(sys.argv[1])  # what --extra-py-files comes to

import recflow_glue.job  # noqa: E402

print("driver", recflow_glue.job.__file__)
print("worker", spark.sparkContext.parallelize([1], 1).map(where).first())
spark.stop()
