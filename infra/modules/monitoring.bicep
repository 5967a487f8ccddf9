// Logs and metrics. Nobody signs in with a key: the app publishes with its identity.
param token string
param location string
param tags object

@description('Days that logs and metrics are kept.')
param retentionDays int

@description('Who publishes: the identity of the app.')
param publisherPrincipalId string

var roles = loadJsonContent('../built-in-roles.json')
var publisher = roles['Monitoring Metrics Publisher']

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-bridge-${token}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-bridge-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    DisableLocalAuth: true
  }
}

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, publisherPrincipalId, publisher)
  scope: insights
  properties: {
    principalId: publisherPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', publisher)
  }
}

output applicationInsightsId string = insights.id
output connectionString string = insights.properties.ConnectionString
