// A storage account that is opened by identities alone, with what lies in it.
param name string
param location string
param tags object

@description('Redundancy: Standard_ZRS.')
param sku string

@description('Whether only private endpoints and trusted services get in.')
param firewall bool

@allowed([
  'Enabled'
  'Disabled'
])
param publicNetworkAccess string

@description('Blob containers.')
param containers array

@description('Queues; each gets its -poison twin, which the host would otherwise make at the first failure.')
param queues array = []

param tables array = []

@description('Where blobs keep former versions: [{container, days}], for each container the days after which a version goes.')
param versionDays array = []

@description('Who gets the roles: the identity of the app.')
param principalId string

@description('Names of built-in roles on the account.')
param roles array

var roleIds = loadJsonContent('../built-in-roles.json')
var poisonQueues = [for queue in queues: '${queue}-poison']

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: publicNetworkAccess
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: firewall ? 'Deny' : 'Allow'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: {
          enabled: true
          keyType: 'Account'
        }
        queue: {
          enabled: true
          keyType: 'Account'
        }
        table: {
          enabled: true
          keyType: 'Account'
        }
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: !empty(versionDays)
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    // No soft delete of blobs: what is erased has to be gone. Versions go by the rules below.
    deleteRetentionPolicy: {
      enabled: false
    }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for container in containers: {
  parent: blobs
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource accountQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in concat(queues, poisonQueues): {
  parent: queueService
  name: queue
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource accountTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2024-01-01' = [for table in tables: {
  parent: tableService
  name: table
}]

var versionRules = [for term in versionDays: {
  name: 'versions-of-${term.container}'
  enabled: true
  type: 'Lifecycle'
  definition: {
    filters: {
      blobTypes: [
        'blockBlob'
      ]
      prefixMatch: [
        '${term.container}/'
      ]
    }
    actions: {
      version: {
        delete: {
          daysAfterCreationGreaterThan: term.days
        }
      }
    }
  }
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = if (!empty(versionDays)) {
  parent: account
  name: 'default'
  // Azure takes the policy once the account has versions.
  dependsOn: [
    blobs
  ]
  properties: {
    policy: {
      rules: versionRules
    }
  }
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles: {
  name: guid(account.id, principalId, roleIds[role])
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
  }
}]

output id string = account.id
output name string = account.name
