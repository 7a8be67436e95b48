use std::time::Duration;

use super::*;

const TEXT: &str = r#"
Parameters:
  Size: { Type: Number, Default: 256 }
  Stage: { Type: String, Default: dev, AllowedValues: [dev, prod] }
  Key: { Type: String }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Globals:
  Function:
    Timeout: 10
    MemorySize: !Ref Size
    Environment: { Variables: { STAGE: !Ref Stage, LEVEL: info } }
Resources:
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: sk, AttributeType: N }
        - { AttributeName: list, AttributeType: S }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
      GlobalSecondaryIndexes:
        - IndexName: lists
          KeySchema: [{ AttributeName: list, KeyType: HASH }]
          Projection: { ProjectionType: KEYS_ONLY }
      TimeToLiveSpecification: { AttributeName: expires_at, Enabled: true }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${AWS::StackName}-jobs"
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5 }
  Dead: { Type: AWS::SQS::Queue }
  Extra: { Type: AWS::SQS::Queue, Condition: IsProd }
  Work:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: work } }
    Properties:
      Timeout: 20
      Environment:
        Variables:
          { LEVEL: debug, TABLE: !Ref Items, QUEUE: !Ref Jobs, KEY: !Ref Key,
            GONE: !If [IsProd, x, !Ref AWS::NoValue] }
      Policies:
        - AWSXRayDaemonWriteAccess
        - Statement:
            - { Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Items.Arn }
            - Effect: Allow
              Action: [sqs:SendMessage]
              Resource: [!GetAtt Jobs.Arn, !GetAtt Dead.Arn]
      Events:
        Get: { Type: HttpApi, Properties: { Method: get, Path: "/items/{id}" } }
        Rest: { Type: HttpApi }
        Often: { Type: Schedule, Properties: { Schedule: rate(5 minutes) } }
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: 7 }
Outputs:
  Url: { Value: !Sub "https://${ServerlessHttpApi}.${AWS::Region}" }
"#;

fn settings() -> Settings {
    Settings {
        sqs_url: "http://127.0.0.1:1".to_owned(),
        parameters: [("Key".to_owned(), "k".to_owned())].into(),
        ..Settings::default()
    }
}

fn template() -> Template {
    Template::parse(TEXT, &settings()).unwrap()
}

#[test]
fn a_table_has_its_keys_its_expiry_attribute_and_its_logical_id_as_name() {
    let template = template();
    let table = template.table("Items").unwrap();
    assert_eq!(table.name, "Items");
    assert_eq!(table.arn, "arn:aws:dynamodb:us-east-1:000000000000:table/Items");
    assert_eq!(table.partition_key, Key { name: "pk".into(), kind: "S".into() });
    assert_eq!(table.sort_key, Some(Key { name: "sk".into(), kind: "N".into() }));
    assert_eq!(table.ttl_attribute.as_deref(), Some("expires_at"));
    let [index] = &table.indexes[..] else { panic!("one index") };
    assert_eq!((index.name.as_str(), index.partition_key.name.as_str()), ("lists", "list"));
    assert_eq!(index.arn, format!("{}/index/lists", table.arn));
}

#[test]
fn an_index_of_more_than_keys_is_refused() {
    let broken = TEXT.replace("KEYS_ONLY", "ALL");
    let error = Template::parse(&broken, &settings()).unwrap_err().to_string();
    assert!(error.contains("indexes of keys only, which lists isn't"), "{error}");
}

#[test]
fn only_a_schedule_of_whole_minutes_is_known() {
    for other in ["rate(1 hour)", "cron(0 * * * ? *)", "rate(x minutes)"] {
        let error = Template::parse(&TEXT.replace("rate(5 minutes)", other), &settings());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("event Often") && error.contains(other), "{error}");
    }
}

#[test]
fn a_queue_has_its_given_name_and_its_redrive_policy() {
    let template = template();
    let queue = template.queue("Jobs").unwrap();
    assert_eq!(queue.name, "posthaste-jobs");
    assert_eq!(queue.url, "http://127.0.0.1:1/000000000000/posthaste-jobs");
    assert_eq!(queue.number("VisibilityTimeout"), Some(60));
    let dead_letter_arn = "arn:aws:sqs:us-east-1:000000000000:Dead".to_owned();
    assert_eq!(queue.redrive, Some(RedrivePolicy { dead_letter_arn, max_receive_count: 5 }));
}

#[test]
fn a_resource_whose_condition_does_not_hold_is_not_there() {
    assert!(template().queue("Extra").is_none());
    let mut prod = settings();
    prod.parameters.insert("Stage".into(), "prod".into());
    assert!(Template::parse(TEXT, &prod).unwrap().queue("Extra").is_some());
}

#[test]
fn globals_are_merged_and_the_functions_own_values_win() {
    let template = template();
    let work = template.function("work").unwrap();
    assert_eq!(work.timeout, Duration::from_secs(20));
    assert_eq!(work.memory_mb, 256);
    let environment: Vec<_> =
        work.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let queue = "QUEUE=http://127.0.0.1:1/000000000000/posthaste-jobs";
    assert_eq!(environment, ["KEY=k", "LEVEL=debug", queue, "STAGE=dev", "TABLE=Items"]);
}

#[test]
fn a_function_has_its_routes_sources_and_statements() {
    let template = template();
    let work = template.function("work").unwrap();
    let keys: Vec<_> = work.routes.iter().map(HttpRoute::key).collect();
    assert_eq!(keys, ["GET /items/{id}", "$default"]);
    let source = &work.sources[0];
    assert_eq!(
        (source.batch_size, source.maximum_concurrency, source.reports_item_failures),
        (5, Some(7), true)
    );
    assert_eq!(source.queue_arn, template.queue("Jobs").unwrap().arn);
    assert_eq!(work.schedule, Some(Duration::from_mins(5)));
    assert_eq!(work.statements.len(), 2);
    assert_eq!(work.statements[1].resources.len(), 2);
}

#[test]
fn outputs_are_resolved() {
    assert_eq!(template().outputs["Url"], "https://ServerlessHttpApi.us-east-1");
}

#[test]
fn known_queue_urls_replace_the_guessed_ones() {
    let mut settings = settings();
    settings.queue_urls.insert("Jobs".into(), "http://elsewhere/jobs".into());
    let template = Template::parse(TEXT, &settings).unwrap();
    assert_eq!(template.function("work").unwrap().environment["QUEUE"], "http://elsewhere/jobs");
}

#[test]
fn a_fault_names_the_line_of_the_resource() {
    let broken = TEXT.replace("!Ref Items,", "!Ref Itms,");
    let error = Template::parse(&broken, &settings()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 35: Work: !Ref Itms: there is no such parameter or resource"
    );
}

#[test]
fn a_parameter_needs_a_known_name_an_allowed_value_and_any_value_at_all() {
    let fault = |name: &str, value: &str| {
        let mut settings = settings();
        settings.parameters.insert(name.into(), value.into());
        Template::parse(TEXT, &settings).unwrap_err().message
    };
    assert!(fault("Nope", "1").contains("no parameter Nope"));
    assert!(fault("Stage", "test").contains("AllowedValues"));
    let missing = Template::parse(TEXT, &Settings::default()).unwrap_err();
    assert!(missing.message.contains("parameter Key has no default"));
}

#[test]
fn the_repositorys_own_template_is_read() {
    let path = Template::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let settings = Settings::default();
    let template = Template::read(&path, &settings).unwrap();
    assert_eq!((template.tables.len(), template.queues.len()), (3, 3));
    assert!(template.function("deliver").unwrap().sources.len() == 2);
    assert!(template.functions.iter().all(|function| !function.statements.is_empty()));
}
