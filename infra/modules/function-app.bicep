// The app, on a Flex Consumption plan: package, scale, settings, sign-in.
param name string
param planName string
param location string
param tags object

param identityId string
param identityClientId string

@description('The host\'s account: leases, keys, queues, the package.')
param hostAccountName string

@description('The app\'s account: tables and blobs.')
param dataAccountName string

@description('Container of the host\'s account that the package is deployed to.')
param packageContainer string

param telemetryConnectionString string

param maximumInstanceCount int
param instanceMemoryMB int

@description('Instances kept warm for HTTP.')
param alwaysReadyHttp int

@description('Instances kept warm for the timer schedule_tick.')
param alwaysReadySchedule int

@description('Whether instances are spread over the zones of the region.')
param zoneRedundant bool

@description('Subnet of the instances; empty without a virtual network.')
param subnetId string

@allowed([
  'Enabled'
  'Disabled'
])
param publicNetworkAccess string

@description('Client id of the app registration of Easy Auth; empty without it.')
param authClientId string

@description('Whether Easy Auth refuses requests without a token.')
param authRequired bool

@description('Client id of the app registration for workspaces of other tenants; empty without it.')
param connectionClientId string

@secure()
@description('App settings beside those that are made here, and before them.')
param furtherSettings object

var isPublicCloud = environment().name == 'AzureCloud'
var hostDomain = '${hostAccountName}.{0}.${environment().suffixes.storage}'

// By name the host finds an account in the public cloud alone.
var hostStorageSettings = isPublicCloud ? {
  AzureWebJobsStorage__accountName: hostAccountName
} : {
  AzureWebJobsStorage__blobServiceUri: 'https://${format(hostDomain, 'blob')}'
  AzureWebJobsStorage__queueServiceUri: 'https://${format(hostDomain, 'queue')}'
  AzureWebJobsStorage__tableServiceUri: 'https://${format(hostDomain, 'table')}'
}
var settings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  BRIDGE_STORAGE__accountName: dataAccountName
  STORAGE_SUFFIX: environment().suffixes.storage
  AZURE_CLOUD: environment().name
  AZURE_CLIENT_ID: identityClientId
  AZURE_TENANT_ID: tenant().tenantId
  CONNECTION_CLIENT_ID: connectionClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: telemetryConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

var alwaysReadyGroups = [
  {
    name: 'http'
    instanceCount: alwaysReadyHttp
  }
  {
    name: 'function:schedule_tick'
    instanceCount: alwaysReadySchedule
  }
]

resource hostAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostAccountName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  // azd finds the app of the service `bridge` by this tag.
  tags: union(tags, {
    'azd-service-name': 'bridge'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicNetworkAccess
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    // Settings that refer to Key Vault, such as SKILL_KEY_..., are read with it.
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostAccount.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: filter(alwaysReadyGroups, group => group.instanceCount > 0)
        triggers: {
          http: {
            perInstanceConcurrency: 32
          }
        }
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, hostStorageSettings, furtherSettings)
}

// Deploying takes a token of Microsoft Entra, not the publishing password.
resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

// Tokens are checked, nobody is sent to a sign-in page, and no secret is kept: callers are programs.
resource auth 'Microsoft.Web/sites/config@2024-04-01' = if (!empty(authClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: authRequired
      unauthenticatedClientAction: authRequired ? 'Return401' : 'AllowAnonymous'
      excludedPaths: [
        '/api/health'
      ]
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: authClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            authClientId
            'api://${authClientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
    httpSettings: {
      requireHttps: true
    }
  }
}

output id string = app.id
output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
