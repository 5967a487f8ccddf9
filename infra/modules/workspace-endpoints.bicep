// A workspace and the accounts of its datastores, reached inside the network: data planes, scoring, files.
param name string
param location string
param tags object
param subnetId string
param zoneIds object
param workspaceId string

@description('[{account, container}]')
param datastores array

var accounts = [for datastore in datastores: datastore.account]

module workspace 'private-endpoint.bicep' = {
  name: name
  params: {
    name: name
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: workspaceId
    service: 'amlworkspace'
    zoneIds: [
      zoneIds.workspace
      zoneIds.notebooks
    ]
  }
}

// union: two datastores may lie in one account.
module files 'private-endpoint.bicep' = [for (account, i) in union(accounts, accounts): {
  name: '${name}-blob-${i}'
  params: {
    name: '${name}-blob-${i}'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: account
    service: 'blob'
    zoneIds: [
      zoneIds.blob
    ]
  }
}]
