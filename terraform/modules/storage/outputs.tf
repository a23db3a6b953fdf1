output "bucket" {
  description = "The bucket. Known once its encryption, policy and access block are in place."
  value = {
    name = aws_s3_bucket.this.id
    arn  = aws_s3_bucket.this.arn
  }
  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
  ]
}

output "kms_key_arn" {
  description = "ARN of the key."
  value       = aws_kms_key.this.arn
}

output "glue_script_s3" {
  description = "s3:// address of the Glue job's script."
  value       = "s3://${aws_s3_bucket.this.id}/${aws_s3_object.code["code/glue_job.py"].key}"
}

output "glue_package_s3" {
  description = "s3:// address of the Glue job's Python package."
  value       = "s3://${aws_s3_bucket.this.id}/${aws_s3_object.code["code/recflow-glue.zip"].key}"
}

output "glue_wheels_s3" {
  description = "s3:// addresses of the wheels that the Glue job installs."
  value       = [for key in sort(keys(local.wheels)) : "s3://${aws_s3_bucket.this.id}/${aws_s3_object.code[key].key}"]
}

output "code_keys" {
  description = "Keys of the objects that Terraform uploads."
  value       = sort(keys(local.code))
}
