// What the identity may do in a workspace and in the containers of its datastores.
param workspaceName string

@description('[{account, container}]; account is a resource id.')
param datastores array

param principalId string

@description('AzureML Data Scientist instead of the custom role.')
param useBuiltInRole bool

@description('Tells this environment\'s custom role from those of others: names of roles are unique in a tenant.')
param token string

var builtIn = loadJsonContent('../built-in-roles.json')
var actions = loadJsonContent('../workspace-role.json')

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource customRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!useBuiltInRole) {
  name: guid(workspace.id, token, 'bridge')
  properties: {
    roleName: 'AML Bridge on ${workspaceName} (${token})'
    description: 'Reads pipelines, datastores and endpoints, runs pipelines, scores.'
    type: 'CustomRole'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: concat(actions.called, actions.checkedOnSubmission)
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource customAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!useBuiltInRole) {
  name: guid(workspace.id, principalId, token, 'custom')
  scope: workspace
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', customRole.name)
  }
}

resource builtInAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (useBuiltInRole) {
  name: guid(workspace.id, principalId, builtIn['AzureML Data Scientist'])
  scope: workspace
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtIn['AzureML Data Scientist'])
  }
}

module containers 'container-role.bicep' = [for (datastore, i) in datastores: {
  name: 'bridge-container-${i}-${token}'
  scope: resourceGroup(split(datastore.account, '/')[2], split(datastore.account, '/')[4])
  params: {
    accountName: split(datastore.account, '/')[8]
    containerName: datastore.container
    principalId: principalId
  }
}]
