# SSM parameters for what V7's environment names: where the servers are, and who logs in. Terraform creates
# them and the right to read them, and leaves their values to whoever sets them (docs/secrets.md).

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "path" {
  description = "What the names of the parameters begin with; one for each environment."
  type        = string
  default     = "/txlog/prod"
}

variable "kms_key_arn" {
  description = "Key that encrypts the secret ones; the account's own for SSM if not set."
  type        = string
  default     = null
}

locals {
  types = {
    # generated: parameters (make settings)
    MARIADB_DATABASE = "String"
    MARIADB_HOST     = "String"
    MARIADB_PASSWORD = "SecureString"
    MARIADB_PORT     = "String"
    MARIADB_USER     = "String"
    NATS_SERVERS     = "SecureString"
    ORACLE_DSN       = "String"
    ORACLE_PASSWORD  = "SecureString"
    ORACLE_USER      = "String"
    # end of generated
  }
  path_arn = trimsuffix(aws_ssm_parameter.setting["ORACLE_USER"].arn, "/ORACLE_USER")
}

resource "aws_ssm_parameter" "setting" {
  for_each = local.types

  name   = "${var.path}/${each.key}"
  type   = each.value
  key_id = each.value == "SecureString" ? var.kms_key_arn : null
  value  = "not set yet"

  lifecycle {
    ignore_changes = [value]
  }
}

data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["ssm:GetParametersByPath", "ssm:GetParameters"] # the second one for ECS
    resources = [local.path_arn, "${local.path_arn}/*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]
    content {
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

output "read_policy" {
  description = "Policy for the role of the job."
  value       = data.aws_iam_policy_document.read.json
}
