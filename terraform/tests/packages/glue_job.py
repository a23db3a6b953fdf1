# Stands for glue_job.py in the tests of the module.
