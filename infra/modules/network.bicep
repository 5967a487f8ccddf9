// A network of the app's own: one subnet for its instances, one for private endpoints, and the zones of their names.
param token string
param location string
param tags object

@description('Address space of the network.')
param prefix string

@description('Subnet of the instances, within it.')
param appPrefix string

@description('Subnet of the private endpoints, within it.')
param endpointPrefix string

var storage = environment().suffixes.storage
var zoneNames = [
  'privatelink.blob.${storage}'
  'privatelink.queue.${storage}'
  'privatelink.table.${storage}'
  'privatelink.azurewebsites.net'
  'privatelink.api.azureml.ms'
  'privatelink.notebooks.azure.net'
]

resource rules 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: 'nsg-bridge-${token}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'deny-from-internet'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-bridge-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        prefix
      ]
    }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: appPrefix
          networkSecurityGroup: {
            id: rules.id
          }
          // The Flex Consumption plan takes a subnet that is delegated so.
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointPrefix
          networkSecurityGroup: {
            id: rules.id
          }
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zone in zoneNames: {
  name: zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (zone, i) in zoneNames: {
  parent: zones[i]
  name: 'bridge'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

output appSubnetId string = '${network.id}/subnets/app'
output endpointSubnetId string = '${network.id}/subnets/endpoints'
output zoneIds object = {
  blob: zones[0].id
  queue: zones[1].id
  table: zones[2].id
  sites: zones[3].id
  workspace: zones[4].id
  notebooks: zones[5].id
}
