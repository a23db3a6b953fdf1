package awsclient

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// MaxSubject is the maximum length of a Notice's subject, in characters.
const MaxSubject = 100

// SNS publishes to one topic.
type SNS struct {
	client *sns.Client
	topic  string
}

// Notice is a message to the subscribers of a topic.
type Notice struct {
	Subject    string // of emails: one line of ASCII, up to MaxSubject characters
	Body       string
	Attributes map[string]string // for subscription filters; no empty values
}

// NewSNS returns a client of the topic with this ARN.
func NewSNS(c Config, topic string) *SNS {
	client := sns.NewFromConfig(c.aws, func(o *sns.Options) {
		if c.options.SNSEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.SNSEndpoint)
		}
	})
	return &SNS{client: client, topic: topic}
}

// Publish publishes a notice. If it is retried after a lost response, subscribers
// receive it twice.
func (s *SNS) Publish(ctx context.Context, n Notice) error {
	in := &sns.PublishInput{
		TopicArn: &s.topic, Subject: &n.Subject, Message: &n.Body,
		MessageAttributes: make(map[string]types.MessageAttributeValue, len(n.Attributes)),
	}
	for name, value := range n.Attributes {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	_, err := s.client.Publish(ctx, in)
	return translate(err, "publish to topic %s", s.topic)
}
