"""Uses the wheels of the training job: a conditional put of boto3, and a small training."""

import boto3
import numpy as np
from botocore.stub import Stubber
from recflow_glue import als
from recflow_glue.settings import Settings

s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
put = {"Bucket": "b", "Key": "manifest.json", "Body": b"{}", "IfNoneMatch": "*"}
with Stubber(s3) as stub:
    stub.add_response("put_object", {}, put)
    s3.put_object(**put)

users, items = np.nonzero(np.random.default_rng(1).random((60, 40)) < 0.2)
weights = np.ones(len(users), np.float32)
s = Settings("als", rank=8, iterations=2, alpha=2.0, regularization=3.0, regularization_exponent=0.5, mean_items=1.0, seed=7)
by_user, by_item = als.compress(users.astype(np.int32), items.astype(np.int32), weights, (60, 40))
user_factors, item_factors = als.fit(by_user, by_item, s, 2)
assert np.isfinite(user_factors).all() and np.isfinite(item_factors).all()
print("numpy", np.__version__, "boto3", boto3.__version__, "trained", user_factors.shape, item_factors.shape)
