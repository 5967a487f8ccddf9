// AML Bridge in one resource group: function app, identity, two storage accounts, telemetry, alerts, and on each
// workspace the rights and the events that the app needs. docs/azure.md says what each part is for.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the azd environment. Names of resources follow from it, from the subscription and from the location.')
param environmentName string

@minLength(1)
@description('Region of all resources; one that has the Flex Consumption plan.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Resource group to make; rg-<environment> unless given.')
param resourceGroupName string = ''

@description('Azure Machine Learning workspaces that skills and workflows use: [{id, location, datastores: [{account, container}]}]. id and account are resource ids; a datastore is what entities are exported to or outputs are read from.')
param workspaces array = []

@description('Where false, the identity gets a custom role with just the actions the app uses. Making that takes Owner or User Access Administrator; where true, it gets the built-in role AzureML Data Scientist, which a Role Based Access Control Administrator can assign.')
param useBuiltInWorkspaceRole bool = false

@description('Whether events about jobs of the workspaces go to the queue aml-events. Without them a run is looked at every 30 s at the latest.')
param workspaceEvents bool = true

@minValue(40)
@maxValue(1000)
@description('Most instances the app is scaled out to. It bounds cost; endpoints are protected by the limiter of the app, not by this.')
param maximumInstanceCount int = 40

@allowed([
  2048
  4096
])
@description('Memory of an instance. 2,048 MB hold eight batches of 30 MiB at a time; 512 MB do not.')
param instanceMemoryMB int = 2048

@minValue(0)
@maxValue(20)
@description('Instances that are kept warm for HTTP, and paid for around the clock. 0 saves that; 1 spares the first batch of an indexer the start of an instance, which counts against the 30 s that a skill is given by default, and readers the same wait.')
param alwaysReadyHttp int = 0

@minValue(0)
@maxValue(20)
@description('Instances that are kept warm for the timer schedule_tick. 0 relies on the platform to wake one each minute; 1 makes slots begin within their minute.')
param alwaysReadySchedule int = 0

@description('Whether instances are spread over the zones of the region. Needs a region that has zones, and keeps two instances a group ready where any are kept.')
param zoneRedundant bool = false

@description('Whether storage, workspaces and datastores are reached by private endpoints in a virtual network of the app\'s own. In the public cloud only.')
param useVirtualNetwork bool = false

@description('Address space of the virtual network: one that does not overlap with networks to be peered.')
param virtualNetworkPrefix string = '10.90.0.0/16'

@description('Within it, the subnet of the app\'s instances.')
param appSubnetPrefix string = '10.90.0.0/24'

@description('Within it, the subnet of the private endpoints.')
param endpointSubnetPrefix string = '10.90.1.0/24'

@description('Whether the app itself is reached by a private endpoint alone. Needs useVirtualNetwork; deploying then takes a machine in the network, and Azure AI Search a shared private link.')
param privateInbound bool = false

@description('Client id of the app registration that Easy Auth takes tokens for. Without it there is no Easy Auth, and keys alone sign in.')
param authClientId string = ''

@description('Whether Easy Auth refuses requests without a token. Reader keys no longer work then, and an indexer needs authResourceId beside its key.')
param authRequired bool = false

@description('Client id of the multi-tenant app registration that opens workspaces of other tenants.')
param connectionClientId string = ''

@secure()
@description('Further app settings, by name: limits, and SKILL_KEY_... as references to Key Vault. Settings made elsewhere do not outlive a deployment.')
param appSettings object = {}

@description('Address that alerts are mailed to. Without it alerts are only shown in the portal.')
param alertEmail string = ''

@minValue(1)
@maxValue(8760)
@description('Age in hours of an entity\'s rows from which an alert is raised.')
param staleAfterHours int = 26

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
@description('Redundancy of both storage accounts. Not each region has zones.')
param storageRedundancy string = 'Standard_ZRS'

@minValue(30)
@maxValue(730)
@description('Days that telemetry is kept.')
param logRetentionDays int = 30

@minValue(1)
@maxValue(3650)
@description('Days that former versions of the exported configuration are kept.')
param configVersionDays int = 365

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var appName = 'func-bridge-${token}'
var packageContainer = 'app-package'
var eventsQueue = 'aml-events'
var hostServices = useVirtualNetwork ? [
  'blob'
  'queue'
] : []
var dataServices = useVirtualNetwork ? [
  'blob'
  'table'
] : []

var privateWorkspaces = useVirtualNetwork ? workspaces : []
var eventWorkspaces = workspaceEvents ? workspaces : []

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-bridge-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    retentionDays: logRetentionDays
    publisherPrincipalId: identity.outputs.principalId
  }
}

module network 'modules/network.bicep' = if (useVirtualNetwork) {
  name: 'network'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    prefix: virtualNetworkPrefix
    appPrefix: appSubnetPrefix
    endpointPrefix: endpointSubnetPrefix
  }
}

// The host's account: its leases and keys, the package, and the queues that functions are triggered by.
module hostStorage 'modules/storage-account.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: 'sthost${token}'
    location: location
    tags: tags
    sku: storageRedundancy
    firewall: useVirtualNetwork
    // Event Grid writes into its queue from outside the network, as a trusted service.
    publicNetworkAccess: 'Enabled'
    containers: [
      packageContainer
    ]
    queues: [
      'workflow-refresh'
      'run-advance'
      'import-part'
      'run-notify'
      'run-events'
      eventsQueue
    ]
    principalId: identity.outputs.principalId
    roles: [
      'Storage Blob Data Owner'
      'Storage Queue Data Contributor'
    ]
  }
}

// The app's own account: definitions, runs, rows, and the files beside them.
module dataStorage 'modules/storage-account.bicep' = {
  name: 'data-storage'
  scope: group
  params: {
    name: 'stdata${token}'
    location: location
    tags: tags
    sku: storageRedundancy
    firewall: useVirtualNetwork
    publicNetworkAccess: useVirtualNetwork ? 'Disabled' : 'Enabled'
    containers: [
      'bridge'
      'bridge-config'
    ]
    tables: [
      'bridgeconnections'
      'bridgeentities'
      'bridgeerased'
      'bridgeoperations'
      'bridgeparts'
      'bridgepoison'
      'bridgeprocesses'
      'bridgereaderkeys'
      'bridgerejects'
      'bridgeruns'
      'bridgesecrets'
      'bridgeskills'
      'bridgeslots'
      'bridgeworkflows'
    ]
    // Versions are a property of the account, so each container gets its own term. What is erased or dropped from
    // `bridge` holds customers' rows, and has to be gone soon.
    versionDays: [
      {
        container: 'bridge'
        days: 1
      }
      {
        container: 'bridge-config'
        days: configVersionDays
      }
    ]
    principalId: identity.outputs.principalId
    roles: [
      'Storage Blob Data Contributor'
      'Storage Table Data Contributor'
    ]
  }
}

module hostEndpoints 'modules/private-endpoint.bicep' = [for service in hostServices: {
  name: 'host-endpoint-${service}'
  scope: group
  params: {
    name: 'pe-host-${service}-${token}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    resourceId: hostStorage.outputs.id
    service: service
    zoneIds: [
      network!.outputs.zoneIds[service]
    ]
  }
}]

module dataEndpoints 'modules/private-endpoint.bicep' = [for service in dataServices: {
  name: 'data-endpoint-${service}'
  scope: group
  params: {
    name: 'pe-data-${service}-${token}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    resourceId: dataStorage.outputs.id
    service: service
    zoneIds: [
      network!.outputs.zoneIds[service]
    ]
  }
}]

module app 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  // The host reads its storage as soon as it starts.
  dependsOn: [
    hostEndpoints
    dataEndpoints
  ]
  params: {
    name: appName
    planName: 'plan-bridge-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccountName: hostStorage.outputs.name
    dataAccountName: dataStorage.outputs.name
    packageContainer: packageContainer
    telemetryConnectionString: monitoring.outputs.connectionString
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    alwaysReadyHttp: alwaysReadyHttp
    alwaysReadySchedule: alwaysReadySchedule
    zoneRedundant: zoneRedundant
    subnetId: useVirtualNetwork ? network!.outputs.appSubnetId : ''
    publicNetworkAccess: privateInbound ? 'Disabled' : 'Enabled'
    authClientId: authClientId
    authRequired: authRequired
    connectionClientId: connectionClientId
    furtherSettings: appSettings
  }
}

module appEndpoint 'modules/private-endpoint.bicep' = if (useVirtualNetwork && privateInbound) {
  name: 'app-endpoint'
  scope: group
  params: {
    name: 'pe-app-${token}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    resourceId: app.outputs.id
    service: 'sites'
    zoneIds: [
      network!.outputs.zoneIds.sites
    ]
  }
}

module workspaceAccess 'modules/workspace-access.bicep' = [for (workspace, i) in workspaces: {
  name: 'bridge-access-${i}-${token}'
  scope: resourceGroup(split(workspace.id, '/')[2], split(workspace.id, '/')[4])
  params: {
    workspaceName: split(workspace.id, '/')[8]
    datastores: contains(workspace, 'datastores') ? workspace.datastores : []
    principalId: identity.outputs.principalId
    useBuiltInRole: useBuiltInWorkspaceRole
    token: token
  }
}]

module workspaceEndpoints 'modules/workspace-endpoints.bicep' = [for (workspace, i) in privateWorkspaces: {
  name: 'workspace-endpoints-${i}'
  scope: group
  params: {
    name: 'pe-workspace-${i}-${token}'
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    zoneIds: network!.outputs.zoneIds
    workspaceId: workspace.id
    datastores: contains(workspace, 'datastores') ? workspace.datastores : []
  }
}]

// Events in three steps, for the topic's identity has to have its role on the queue before it is told to write there.
module workspaceTopics 'modules/workspace-topic.bicep' = [for (workspace, i) in eventWorkspaces: {
  name: 'bridge-topic-${i}-${token}'
  scope: resourceGroup(split(workspace.id, '/')[2], split(workspace.id, '/')[4])
  params: {
    name: contains(workspace, 'eventTopic') ? workspace.eventTopic : 'evgt-${split(workspace.id, '/')[8]}'
    location: workspace.location
    tags: tags
    workspaceId: workspace.id
  }
}]

module eventSenders 'modules/queue-sender.bicep' = [for (workspace, i) in eventWorkspaces: {
  name: 'event-sender-${i}'
  scope: group
  params: {
    accountName: hostStorage.outputs.name
    queueName: eventsQueue
    principalId: workspaceTopics[i].outputs.principalId
  }
}]

module workspaceSubscriptions 'modules/workspace-subscription.bicep' = [for (workspace, i) in eventWorkspaces: {
  name: 'bridge-subscription-${i}-${token}'
  scope: resourceGroup(split(workspace.id, '/')[2], split(workspace.id, '/')[4])
  dependsOn: [
    eventSenders
  ]
  params: {
    topicName: workspaceTopics[i].outputs.name
    name: 'bridge-${token}'
    accountId: hostStorage.outputs.id
    queueName: eventsQueue
  }
}]

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    email: alertEmail
    staleAfterHours: staleAfterHours
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output BRIDGE_APP_NAME string = app.outputs.name
output BRIDGE_URL string = app.outputs.url
output BRIDGE_HOST_STORAGE string = hostStorage.outputs.name
output BRIDGE_DATA_STORAGE string = dataStorage.outputs.name
output BRIDGE_IDENTITY_CLIENT_ID string = identity.outputs.clientId
output BRIDGE_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
