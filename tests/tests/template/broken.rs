//! For every rule, templates that break it.

use serde_json::json;

use crate::draft::Draft;

/// A change to the real template, and the rule that must notice it.
pub(crate) struct Case {
    pub(crate) rule: &'static str,
    pub(crate) how: &'static str,
    pub(crate) apply: fn(&mut Draft),
}

const fn case(rule: &'static str, how: &'static str, apply: fn(&mut Draft)) -> Case {
    Case { rule, how, apply }
}

/// Every case.
pub(crate) const CASES: &[Case] = &[
    case("tables::the_tables_of_the_design_are_there", "a table that was renamed", |t| {
        t.set("Resources/LogTable/Type", "AWS::DynamoDB::GlobalTable");
    }),
    case("tables::are_on_demand", "a table with provisioned capacity", |t| {
        t.set("Resources/LogTable/Properties/BillingMode", "PROVISIONED");
    }),
    case("tables::are_encrypted", "a table without encryption settings", |t| {
        t.remove("Resources/ConfigTable/Properties/SSESpecification");
    }),
    case("tables::can_be_restored_to_any_second", "recovery switched off", |t| {
        let recovery = "Resources/ConfigTable/Properties/PointInTimeRecoverySpecification";
        t.set(&format!("{recovery}/PointInTimeRecoveryEnabled"), false);
    }),
    case("tables::forget_by_one_attribute", "TTL switched off", |t| {
        t.set("Resources/LogTable/Properties/TimeToLiveSpecification/Enabled", false);
    }),
    case("tables::forget_by_one_attribute", "TTL on another attribute", |t| {
        t.set("Resources/LogTable/Properties/TimeToLiveSpecification/AttributeName", "ttl");
    }),
    case("tables::outlive_the_stack", "a table that is deleted with the stack", |t| {
        t.set("Resources/ConfigTable/DeletionPolicy", "Delete");
    }),
    case("tables::outlive_the_stack", "a table that anyone may delete", |t| {
        t.remove("Resources/LogTable/Properties/DeletionProtectionEnabled");
    }),
    case("queues::the_queues_of_the_design_are_there", "a queue that is no queue", |t| {
        t.set("Resources/DeadLetterQueue/Type", "AWS::SNS::Topic");
    }),
    case("queues::stay_hidden_for_six_runs_of_their_function", "a second too little", |t| {
        t.set("Resources/RetriesQueue/Properties/VisibilityTimeout", 359);
    }),
    case(
        "queues::stay_hidden_for_six_runs_of_their_function",
        "a function that got more time",
        |t| {
            t.set("Resources/DeliverFunction/Properties/Timeout", 90);
        },
    ),
    case(
        "queues::stay_hidden_for_six_runs_of_their_function",
        "SQS's default of 30 seconds",
        |t| {
            t.remove("Resources/DeliveriesQueue/Properties/VisibilityTimeout");
        },
    ),
    case(
        "queues::keep_messages_for_fourteen_days",
        "a dead-letter queue that forgets after four days",
        |t| {
            t.remove("Resources/DeadLetterQueue/Properties/MessageRetentionPeriod");
        },
    ),
    case(
        "queues::keep_messages_for_fourteen_days",
        "a source that forgets sooner than its dead-letter queue",
        |t| {
            t.set("Resources/DeliveriesQueue/Properties/MessageRetentionPeriod", 345_600);
        },
    ),
    case("queues::share_a_dead_letter_queue", "a queue without one", |t| {
        t.remove("Resources/RetriesQueue/Properties/RedrivePolicy");
    }),
    case("queues::share_a_dead_letter_queue", "one more", |t| {
        t.set(
            "Resources/MoreDeadLetters",
            json!({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "more"}}),
        );
        t.set(
            "Resources/RetriesQueue/Properties/RedrivePolicy/deadLetterTargetArn",
            json!({ "Fn::GetAtt": ["MoreDeadLetters", "Arn"] }),
        );
    }),
    case("queues::share_a_dead_letter_queue", "a queue in a circle", |t| {
        t.set(
            "Resources/RetriesQueue/Properties/RedrivePolicy/deadLetterTargetArn",
            json!({ "Fn::GetAtt": ["DeliveriesQueue", "Arn"] }),
        );
    }),
    case(
        "queues::call_nothing_poison_that_is_only_being_retried",
        "as many receives as attempts",
        |t| {
            t.set("Resources/RetriesQueue/Properties/RedrivePolicy/maxReceiveCount", 8);
        },
    ),
    case(
        "queues::take_the_dead_letters_of_their_sources_only",
        "a dead-letter queue open to all",
        |t| {
            t.set(
                "Resources/DeadLetterQueue/Properties/RedriveAllowPolicy",
                json!({ "redrivePermission": "allowAll" }),
            );
        },
    ),
    case("queues::take_the_dead_letters_of_their_sources_only", "a source that was renamed", |t| {
        t.set("Resources/RetriesQueue/Properties/QueueName", "other");
    }),
    case("queues::are_encrypted", "a queue in plain text", |t| {
        t.set("Resources/RetriesQueue/Properties/SqsManagedSseEnabled", false);
    }),
    case("queues::refuse_calls_without_tls", "a queue without a policy", |t| {
        t.remove("Resources/DeadLetterQueuePolicy");
    }),
    case("queues::refuse_calls_without_tls", "a policy that names another queue", |t| {
        t.set(
            "Resources/RetriesQueuePolicy/Properties/Queues/0",
            json!({ "Ref": "DeliveriesQueue" }),
        );
    }),
    case("functions::the_functions_of_the_design_are_there", "a function that is gone", |t| {
        t.remove("Resources/LogsFunction");
    }),
    case("functions::are_built_from_their_own_binary", "two functions of one binary", |t| {
        t.set("Resources/LogsFunction/Metadata/BuildProperties/Binary", "events");
    }),
    case("functions::are_built_from_their_own_binary", "another build method", |t| {
        t.set("Resources/AdminFunction/Metadata/BuildMethod", "makefile");
    }),
    case("functions::say_how_much_memory_and_time_they_need", "Lambda's default memory", |t| {
        t.remove("Resources/DeliverFunction/Properties/MemorySize");
    }),
    case("functions::answer_before_the_api_gives_up", "a request of a minute", |t| {
        t.set("Resources/LogsFunction/Properties/Timeout", 60);
    }),
    case(
        "functions::log_to_a_group_of_their_own_that_forgets",
        "Lambda's own log group, which keeps for ever",
        |t| {
            t.remove("Resources/EventsFunction/Properties/LoggingConfig");
        },
    ),
    case("functions::log_to_a_group_of_their_own_that_forgets", "a log group for two", |t| {
        t.set("Resources/EventsFunction/Properties/LoggingConfig/LogGroup/Ref", "LogsLogGroup");
    }),
    case(
        "functions::log_to_a_group_of_their_own_that_forgets",
        "a log group without retention",
        |t| {
            t.remove("Resources/DeliverLogGroup/Properties/RetentionInDays");
        },
    ),
    case("functions::report_each_failed_message", "a source that fails by the batch", |t| {
        t.remove(
            "Resources/DeliverFunction/Properties/Events/Retries/Properties/FunctionResponseTypes",
        );
    }),
    case("functions::take_from_queues_with_a_limit", "a source without a limit", |t| {
        t.remove("Resources/DeliverFunction/Properties/Events/Deliveries/Properties/ScalingConfig");
    }),
    case("functions::run_by_the_time_and_never_late", "a run that Lambda tries again", |t| {
        t.remove("Resources/JobsFunction/Properties/EventInvokeConfig/MaximumRetryAttempts");
    }),
    case("functions::run_by_the_time_and_never_late", "a run that comes an hour late", |t| {
        t.set(
            "Resources/JobsFunction/Properties/EventInvokeConfig/MaximumEventAgeInSeconds",
            3_600,
        );
    }),
    case("roles::are_one_per_function", "a role that SAM makes", |t| {
        t.remove("Resources/AdminFunction/Properties/Role");
    }),
    case("roles::are_one_per_function", "a role for two", |t| {
        t.set(
            "Resources/LogsFunction/Properties/Role",
            json!({ "Fn::GetAtt": ["EventsRole", "Arn"] }),
        );
    }),
    case("roles::are_for_lambda_only", "a role that the account may assume", |t| {
        t.push(
            "Resources/AdminRole/Properties/AssumeRolePolicyDocument/Statement",
            json!({ "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" }),
        );
    }),
    case("roles::come_from_this_file_alone", "a managed policy", |t| {
        t.set(
            "Resources/DeliverRole/Properties/ManagedPolicyArns",
            json!(["arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]),
        );
    }),
    case(
        "roles::come_from_this_file_alone",
        "policies on the function, which SAM ignores beside a role",
        |t| {
            t.set(
                "Resources/DeliverFunction/Properties/Policies",
                json!(["AWSLambdaSQSQueueExecutionRole"]),
            );
        },
    ),
    case("roles::name_actions_and_resources_exactly", "every action", |t| {
        t.set(
            "Resources/LogsRole/Properties/Policies/0/PolicyDocument/Statement/0/Action",
            json!(["dynamodb:*"]),
        );
    }),
    case("roles::name_actions_and_resources_exactly", "every resource", |t| {
        t.set("Resources/LogsRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "*");
    }),
    case("roles::name_actions_and_resources_exactly", "every queue of the account", |t| {
        t.set(
            "Resources/EventsRole/Properties/Policies/0/PolicyDocument/Statement/2/Resource",
            json!({ "Fn::Sub": "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:*" }),
        );
    }),
    case(
        "roles::reach_what_the_environment_names_and_nothing_else",
        "a right to a table that the function isn't told of",
        |t| {
            let table = json!({ "Sid": "Extra", "Effect": "Allow", "Action": ["dynamodb:GetItem"],
                "Resource": { "Fn::GetAtt": ["LogTable", "Arn"] } });
            t.push("Resources/AdminRole/Properties/Policies/0/PolicyDocument/Statement", table);
        },
    ),
    case(
        "roles::reach_what_the_environment_names_and_nothing_else",
        "a queue that the function is told of and may not use",
        |t| {
            t.set(
                "Resources/AdminFunction/Properties/Environment/Variables/RETRIES_QUEUE_URL",
                json!({ "Ref": "RetriesQueue" }),
            );
        },
    ),
    case(
        "roles::reach_what_the_environment_names_and_nothing_else",
        "another function's log",
        |t| {
            t.set(
                "Resources/AdminRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource",
                json!({ "Fn::GetAtt": ["LogsLogGroup", "Arn"] }),
            );
        },
    ),
    case("api::no_route_is_declared_twice", "a route in two functions", |t| {
        t.set(
            "Resources/LogsFunction/Properties/Events/Again",
            json!({ "Type": "HttpApi", "Properties": { "Method": "POST", "Path": "/events" } }),
        );
    }),
    case(
        "api::no_route_is_declared_twice",
        "a route that differs in a variable's name only",
        |t| {
            t.set(
                "Resources/LogsFunction/Properties/Events/Again",
                json!({ "Type": "HttpApi", "Properties": { "Method": "get",
                "Path": "/events/{event}" } }),
            );
        },
    ),
    case("api::one_function_answers_what_no_route_matches", "no default route", |t| {
        t.remove("Resources/AdminFunction/Properties/Events/Default");
    }),
    case("api::is_throttled", "an API without limits", |t| {
        t.remove("Resources/Api/Properties/DefaultRouteSettings");
    }),
    case("api::logs_no_query_and_no_header", "an API without a log", |t| {
        t.remove("Resources/Api/Properties/AccessLogSettings");
    }),
    case("api::logs_no_query_and_no_header", "a log with what an authorizer found", |t| {
        t.set(
            "Resources/Api/Properties/AccessLogSettings/Format",
            "$context.requestId $context.authorizer.claims",
        );
    }),
    case("api::every_log_group_forgets", "an access log that is kept for ever", |t| {
        t.remove("Resources/ApiLogGroup/Properties/RetentionInDays");
    }),
    case(
        "alarms::watch_the_depth_of_dead_letter_queues",
        "a dead-letter queue without an alarm",
        |t| {
            t.remove("Resources/DeadLettersAlarm");
        },
    ),
    case(
        "alarms::watch_the_depth_of_dead_letter_queues",
        "an alarm at the hundredth dead letter",
        |t| {
            t.set("Resources/DeadLettersAlarm/Properties/Threshold", 100);
        },
    ),
    case("alarms::watch_the_age_of_first_attempts", "an alarm of the wrong queue", |t| {
        t.set(
            "Resources/DeliveriesAgeAlarm/Properties/Dimensions/0/Value",
            json!({ "Fn::GetAtt": ["RetriesQueue", "QueueName"] }),
        );
    }),
    case("alarms::watch_messages_in_flight", "an alarm at SQS's limit, when it is too late", |t| {
        t.set("Resources/RetriesInFlightAlarm/Properties/Threshold", 120_000);
    }),
    case("alarms::watch_messages_in_flight", "an alarm that is raised below its threshold", |t| {
        t.set(
            "Resources/DeliveriesInFlightAlarm/Properties/ComparisonOperator",
            "LessThanThreshold",
        );
    }),
    case(
        "alarms::watch_the_errors_of_every_function",
        "a function without an alarm, beside the API",
        |t| {
            t.remove("Resources/StreamErrorsAlarm");
        },
    ),
    case("alarms::watch_the_errors_of_every_function", "an alarm of another function", |t| {
        t.set("Resources/LogsErrorsAlarm/Properties/Dimensions/0/Value/Ref", "AdminFunction");
    }),
    case("alarms::watch_throttles", "throttles that nobody hears of", |t| {
        t.remove("Resources/DeliverThrottlesAlarm");
    }),
    case("functions::allow_no_recursion", "a chain of messages without an end", |t| {
        t.set("Resources/DeliverFunction/Properties/RecursiveLoop", "Allow");
    }),
    case("functions::confirm_when_first_messages_are_made", "a function that got more time", |t| {
        t.set("Resources/DeliverFunction/Properties/Timeout", 66);
    }),
    case("functions::confirm_when_first_messages_are_made", "a second too early", |t| {
        let variables = "Resources/EventsFunction/Properties/Environment/Variables";
        t.set(&format!("{variables}/CONFIRM_AFTER_SECONDS"), 69);
    }),
    case("alarms::watch_chains_that_lambda_stops", "a stopped chain that nobody hears of", |t| {
        t.remove("Resources/LogsRecursionAlarm");
    }),
    case("alarms::watch_jobs_that_stand_still", "a line that nobody writes", |t| {
        t.set(
            "Resources/StalledJobsFilter/Properties/FilterPattern",
            "{ $.fields.message = \"stalled\" }",
        );
    }),
    case("alarms::watch_jobs_that_stand_still", "a metric without an alarm", |t| {
        t.set("Resources/StalledJobsAlarm/Properties/MetricName", "Stalled");
    }),
    case("alarms::watch_the_apis_server_errors", "an API that may fail unheard", |t| {
        t.remove("Resources/ApiServerErrorsAlarm");
    }),
    case("alarms::are_told_to_the_topic", "an alarm without an action", |t| {
        t.remove("Resources/DeliverErrorsAlarm/Properties/AlarmActions");
    }),
    case("alarms::are_not_raised_by_silence", "an alarm that takes silence for trouble", |t| {
        t.set("Resources/EventsErrorsAlarm/Properties/TreatMissingData", "breaching");
    }),
];
