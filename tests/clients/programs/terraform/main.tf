terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" { region = "us-east-1" }

variable "function_zip" { type = string }

locals {
  trust_lambda = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
  read_files = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "${aws_s3_bucket.files.arn}/*" }]
  })
}

resource "aws_iam_role" "function" {
  name               = "shop-function"
  assume_role_policy = local.trust_lambda
  tags               = { team = "shop" }
}

resource "aws_iam_policy" "read" {
  name   = "shop-read"
  policy = local.read_files
}

resource "aws_iam_role_policy_attachment" "read" {
  role       = aws_iam_role.function.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.function.id
  policy = local.read_files
}

resource "aws_iam_instance_profile" "machine" {
  name = "shop-machine"
  role = aws_iam_role.function.name
}

resource "aws_iam_user" "deployer" { name = "shop-deployer" }

resource "aws_iam_group" "deployers" { name = "shop-deployers" }

resource "aws_iam_user_group_membership" "deployer" {
  user   = aws_iam_user.deployer.name
  groups = [aws_iam_group.deployers.name]
}

resource "aws_iam_openid_connect_provider" "jobs" {
  url             = "https://jobs.example.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["0123456789012345678901234567890123456789"]
}

resource "aws_s3_bucket" "files" { bucket = "shop-files" }

resource "aws_s3_bucket_versioning" "files" {
  bucket = aws_s3_bucket.files.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  bucket = aws_s3_bucket.files.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.files.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket                  = aws_s3_bucket.files.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "files" {
  bucket = aws_s3_bucket.files.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = aws_iam_role.function.arn }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.files.arn}/*"
    }]
  })
}

resource "aws_s3_object" "page" {
  bucket  = aws_s3_bucket.files.id
  key     = "pages/first page"
  content = "text"
  # Versions and encryption decide which permissions storing and deleting the object need.
  depends_on = [aws_s3_bucket_versioning.files, aws_s3_bucket_server_side_encryption_configuration.files]
}

resource "aws_kms_key" "files" {
  description             = "shop"
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "files" {
  name          = "alias/shop"
  target_key_id = aws_kms_key.files.key_id
}

resource "aws_secretsmanager_secret" "database" {
  name                    = "shop/database"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id     = aws_secretsmanager_secret.database.id
  secret_string = "invented"
}

resource "aws_ssm_parameter" "level" {
  name  = "/shop/level"
  type  = "SecureString"
  value = "info"
}

resource "aws_sns_topic" "orders" { name = "shop-orders" }

resource "aws_dynamodb_table" "items" {
  name         = "shop-items"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/shop-report"
  retention_in_days = 7
}

resource "aws_lambda_function" "report" {
  function_name    = "shop-report"
  role             = aws_iam_role.function.arn
  runtime          = "python3.12"
  handler          = "report.run"
  filename         = var.function_zip
  source_code_hash = filebase64sha256(var.function_zip)
}

resource "aws_cloudwatch_event_rule" "nightly" {
  name                = "shop-nightly"
  schedule_expression = "cron(0 2 * * ? *)"
}

resource "aws_cloudwatch_event_target" "nightly" {
  rule = aws_cloudwatch_event_rule.nightly.name
  arn  = aws_lambda_function.report.arn
}

resource "aws_lambda_permission" "nightly" {
  statement_id  = "nightly"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.report.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.nightly.arn
}

resource "aws_ecr_repository" "images" { name = "shop/images" }

resource "aws_iam_user_policy" "deployer" {
  name   = "inline"
  user   = aws_iam_user.deployer.name
  policy = local.read_files
}

resource "aws_iam_group_policy" "deployers" {
  name   = "inline"
  group  = aws_iam_group.deployers.name
  policy = local.read_files
}

resource "aws_secretsmanager_secret_policy" "database" {
  secret_arn = aws_secretsmanager_secret.database.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = aws_iam_role.function.arn }
      Action    = "secretsmanager:GetSecretValue"
      Resource  = "*"
    }]
  })
}

resource "aws_sns_topic_policy" "orders" {
  arn = aws_sns_topic.orders.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.orders.arn
    }]
  })
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "shop-errors"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  period              = 300
  threshold           = 1
}
