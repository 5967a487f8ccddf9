// What an operator is told without asking. Each rule is a query over what the app emits; telemetry.json has the names.
param token string
param location string
param tags object
param applicationInsightsId string

@description('Address that is mailed; empty for none.')
param email string

@description('Age in hours of an entity\'s rows that is too old.')
param staleAfterHours int

var names = loadJsonContent('../telemetry.json')
var metric = 'customMetrics | where name =='
var rules = [
  {
    name: 'failed-run'
    severity: 2
    title: 'A run failed or is held'
    description: 'A run ended as failed, or its output is held until somebody decides. GET /api/runs says which, and why.'
    window: 'PT15M'
    query: '${metric} "${names.metrics.runs}" | extend status = tostring(customDimensions["${names.attributes.runStatus}"]) | where status in ("failed", "held") | summarize runs = sum(valueSum) by status, workflow = tostring(customDimensions["${names.attributes.workflow}"]) | where runs > 0'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'stale-entity'
    severity: 2
    title: 'An entity is stale'
    description: 'Readers see rows older than ${staleAfterHours} hours. Look for runs that failed, are held, or were not due.'
    window: 'PT1H'
    query: '${metric} "${names.metrics.entityAge}" | summarize arg_max(timestamp, valueSum) by entity = tostring(customDimensions["${names.attributes.entity}"]) | where valueSum > ${staleAfterHours} * 3600'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'dead-tick'
    severity: 1
    title: 'The schedule stands still'
    description: 'The timer schedule_tick, which runs each minute, has not come through for 15 minutes: no workflow starts by its timetable.'
    window: 'PT15M'
    query: '${metric} "${names.metrics.scheduleTick}" | where tostring(customDimensions["${names.attributes.outcome}"]) in ("succeeded", "partly")'
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'failed-schedule'
    severity: 2
    title: 'A workflow\'s schedule fails'
    description: 'The scheduled runs of a workflow have not been begun for a quarter of an hour, at each try. The log event ${names.events.scheduleFailed} says which, and why.'
    window: 'PT15M'
    query: '${metric} "${names.metrics.scheduleTick}" | where tostring(customDimensions["${names.attributes.outcome}"]) == "partly"'
    operator: 'GreaterThan'
    threshold: 9
  }
  {
    name: 'poison-message'
    severity: 2
    title: 'A queue message failed for good'
    description: 'A message failed five times. GET /api/poison has it with its cause; POST /api/poison/{id}/redrive tries it again.'
    window: 'PT15M'
    query: '${metric} "${names.metrics.poison}" | summarize messages = sum(valueSum) by queue = tostring(customDimensions["${names.attributes.queue}"]) | where messages > 0'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'server-errors'
    severity: 2
    title: 'Requests fail'
    description: 'More than one HTTP request in twenty, and at least five, was answered with a status of 500 or above; 501 does not count.'
    window: 'PT15M'
    query: 'requests | where toint(resultCode) >= 100 | summarize total = count(), failed = countif(toint(resultCode) >= 500 and toint(resultCode) != 501) | where failed >= 5 and failed * 20 > total'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'closed-limiter'
    severity: 2
    title: 'An endpoint takes no calls'
    description: 'The limiter of an endpoint closed: the endpoint answers nothing but errors, so calls are not sent. GET /api/skills/{skill}/stats has its window.'
    window: 'PT15M'
    query: '${metric} "${names.metrics.limiterClosed}" | summarize closed = max(valueSum) by endpoint = tostring(customDimensions["${names.attributes.endpoint}"]) | where closed > 0'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'app-not-loaded'
    severity: 0
    title: 'A module does not load'
    description: 'A module failed to import, at the start or when health was asked. GET /api/health names it.'
    window: 'PT15M'
    query: 'traces | where message has "${names.events.appNotLoaded}"'
    operator: 'GreaterThan'
    threshold: 0
  }
]

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-bridge-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'aml-bridge'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'alert-bridge-${rule.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'AML Bridge: ${rule.title}'
    description: rule.description
    severity: rule.severity
    enabled: true
    autoMitigate: true
    scopes: [
      applicationInsightsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: empty(email) ? [] : [
        mail.id
      ]
    }
  }
}]
