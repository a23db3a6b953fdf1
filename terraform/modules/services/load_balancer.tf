# The API's load balancer: TLS, from the given ranges.

resource "aws_vpc_security_group_ingress_rule" "callers" {
  for_each = toset(var.api_ingress_cidrs)

  description       = "Callers of the API"
  security_group_id = var.network.security_group_ids.load_balancer
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_lb" "api" {
  #checkov:skip=CKV_AWS_91:paths hold ids of users, which belong in no log; the API logs each request without them

  name               = "${var.name_prefix}-api"
  load_balancer_type = "application"
  internal           = var.internal
  subnets            = var.internal ? var.network.private_subnet_ids : var.network.public_subnet_ids
  security_groups    = [var.network.security_group_ids.load_balancer]

  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  enable_deletion_protection = var.deletion_protection

  # GET /backfill/{id}?wait responds within 60 seconds, and the API keeps an idle
  # connection for 120: the load balancer must close it first.
  idle_timeout = 90
}

resource "aws_lb_target_group" "api" {
  name        = "${var.name_prefix}-api"
  vpc_id      = var.network.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.api_port

  # Longer than the longest response: a draining task finishes its requests.
  deregistration_delay = 75

  # /healthz, not /readyz: while Postgres is unavailable every task would be unready,
  # and replacing them would not help.
  health_check {
    path                = "/healthz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

# There is no listener without TLS, not even a redirect: a token sent to it would have
# been sent unencrypted.
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.api.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}
